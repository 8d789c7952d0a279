"""A prior's folder is its own or free; anything else is refused and left as it is."""

from pathlib import Path

import pytest

from bayes_guided.config import PriorConfig, RunConfig, to_yaml
from bayes_guided.exceptions import RunFolderError
from bayes_guided.run.prior_folder import claim, require_free
from tests.run.conftest import MakeConfig

CONFIG = PriorConfig.model_validate({"net": {"name": "mlp"}, "models": {"kind": "gibbs", "cost": "mdl", "beta": 1}})


def refusal(folder: Path) -> str:
    with pytest.raises(RunFolderError) as caught:
        require_free(folder, CONFIG)
    return str(caught.value)


def test_absent_and_empty_folders_are_free_and_a_claimed_one_is_its_owners(tmp_path: Path) -> None:
    require_free(tmp_path / "new", CONFIG)
    (tmp_path / ".prior.json.1234.partial").write_text("")
    require_free(tmp_path, CONFIG)
    claim(tmp_path, CONFIG)
    require_free(tmp_path, CONFIG)


def test_other_content_is_refused(tmp_path: Path, make_config: MakeConfig) -> None:
    (tmp_path / "notes.txt").write_text("")
    assert "other files and no prior" in refusal(tmp_path)
    run: RunConfig = make_config()
    (tmp_path / "config.yaml").write_text(to_yaml(run))
    assert "holds another run or prior (name is " in refusal(tmp_path)
    claim(tmp_path, CONFIG.model_copy(update={"seed": 3}))
    assert "holds another run or prior (seed is 3 there, 0 here)" in refusal(tmp_path)
    for damage in ("a: [", "text"):
        (tmp_path / "config.yaml").write_text(damage)
        assert "damaged" in refusal(tmp_path)
    assert "Not a directory" in refusal(tmp_path / "notes.txt")
