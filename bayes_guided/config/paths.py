"""Where the files lie that a configuration names."""

import os
from pathlib import Path

from bayes_guided.datasets import data_folder
from bayes_guided.datasets.folder import DATA_VARIABLE


def absolute_data(path: Path, config_folder: Path, data_dir: Path | None) -> Path:
    """A relative data path lies in `data_dir` if that is given, else beside the configuration, else in BAYES_GUIDED_DATA.

    Raises:
        DataFileError: if the data folder is not there.
    """
    path = path.expanduser()
    beside = config_folder / path
    if data_dir is None and (beside.exists() or not os.environ.get(DATA_VARIABLE)):
        return beside.resolve()
    return (data_folder(data_dir) / path).resolve()


def absolute_module(module: str, config_folder: Path) -> str:
    """FILE.py:FUNCTION with a relative file beside the configuration; other texts stay, for `load_callable` to refuse."""
    file, separator, function = module.rpartition(":")
    return f"{(config_folder / Path(file).expanduser()).resolve()}:{function}" if separator else module
