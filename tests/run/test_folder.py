"""Who owns a run folder, and what is left of a run that was refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bayes_guided.config import load_config, to_yaml
from bayes_guided.exceptions import DataError, RunFolderError
from bayes_guided.run.folder import RunFolder, check_owner, claimed, drop_checkpoint
from tests.run.conftest import MakeConfig


def test_absent_and_empty_folders_are_free(tmp_path: Path, make_config: MakeConfig) -> None:
    assert check_owner(RunFolder(tmp_path / "new" / "deep"), make_config())
    (tmp_path / ".config.yaml.x1").write_text("what a killed atomic write leaves")
    assert check_owner(RunFolder(tmp_path), make_config())


def test_a_claimed_folder_belongs_to_this_run_alone(tmp_path: Path, make_config: MakeConfig) -> None:
    folder = RunFolder(tmp_path / "out")
    with claimed(folder, make_config()):
        assert load_config(folder.config) == make_config()
    assert not check_owner(folder, make_config())
    with pytest.raises(RunFolderError, match="seed is 0 there, 1 here"):
        check_owner(folder, make_config(seed=1))
    with pytest.raises(RunFolderError, match=r"prior\.strength is 0\.3 there, 2\.0 here"):
        check_owner(folder, make_config(prior={"strength": 2}))


def test_foreign_files_are_refused_and_kept(tmp_path: Path, make_config: MakeConfig) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RunFolderError, match="other files and no run"), claimed(RunFolder(tmp_path), make_config()):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_damaged_configuration_is_refused(tmp_path: Path, make_config: MakeConfig) -> None:
    (tmp_path / "config.yaml").write_text(to_yaml(make_config())[:40] + ": [")
    with pytest.raises(RunFolderError, match=r"config\.yaml is damaged"):
        check_owner(RunFolder(tmp_path), make_config())


def test_a_file_where_the_folder_should_be(tmp_path: Path, make_config: MakeConfig) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(RunFolderError, match="Not a directory"):
        check_owner(RunFolder(tmp_path / "out"), make_config())


@pytest.mark.parametrize("place", ["/proc/bayes_guided/out", "/dev/null/out"])
def test_a_folder_that_cannot_be_made(place: str, make_config: MakeConfig) -> None:
    """/proc cannot be written even by root, for whom a read-only mode is no hindrance."""
    with pytest.raises(RunFolderError), claimed(RunFolder(Path(place)), make_config()):
        pass


def test_a_refused_run_leaves_the_place_as_it_was(tmp_path: Path, make_config: MakeConfig) -> None:
    (tmp_path / "runs").mkdir()
    with pytest.raises(DataError), claimed(RunFolder(tmp_path / "runs" / "a" / "b"), make_config()):
        raise DataError("no")
    assert list((tmp_path / "runs").iterdir()) == []


def test_what_is_worth_keeping_stays_after_an_error(tmp_path: Path, make_config: MakeConfig) -> None:
    folder = RunFolder(tmp_path / "out")

    def refuse_after(step: Callable[[], None]) -> None:
        with claimed(folder, make_config()):
            step()
            raise DataError("no")

    with pytest.raises(DataError):
        refuse_after(folder.checkpoint.mkdir)
    assert folder.config.exists()
    with pytest.raises(DataError):
        refuse_after(folder.checkpoint.rmdir)  # not the claim that made the folder
    assert folder.config.exists()


def test_dropping_checkpoints_twice_is_fine(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    (folder.checkpoint / "unguided").mkdir(parents=True)
    drop_checkpoint(folder)
    drop_checkpoint(folder)
    assert not folder.checkpoint.exists()
