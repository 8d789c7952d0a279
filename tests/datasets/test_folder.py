from pathlib import Path

import pytest

from bayes_guided.datasets import data_folder
from bayes_guided.exceptions import DataFileError


def test_the_argument_goes_before_the_variable(tmp_path, monkeypatch):
    for name in ("argument", "variable"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("BAYES_GUIDED_DATA", str(tmp_path / "variable"))
    assert data_folder(tmp_path / "argument") == tmp_path / "argument"
    assert data_folder() == tmp_path / "variable"


def test_the_home_folder_s_short_name_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_folder(Path("~")) == tmp_path


@pytest.mark.parametrize("value", [None, ""])
def test_neither_is_refused_with_the_mend(monkeypatch, value):
    monkeypatch.delenv("BAYES_GUIDED_DATA", raising=False)
    if value is not None:
        monkeypatch.setenv("BAYES_GUIDED_DATA", value)
    with pytest.raises(DataFileError, match="give --data-dir FOLDER or set BAYES_GUIDED_DATA=FOLDER"):
        data_folder()


def test_a_missing_folder_is_named_with_its_source(tmp_path, monkeypatch):
    monkeypatch.setenv("BAYES_GUIDED_DATA", str(tmp_path / "variable"))
    with pytest.raises(DataFileError, match="variable, from BAYES_GUIDED_DATA, is not a folder"):
        data_folder()
    with pytest.raises(DataFileError, match="argument, from --data-dir, is not a folder"):
        data_folder(tmp_path / "argument")
