"""Where the data files are: an argument or an environment variable, never a guess."""

import os
from pathlib import Path

from bayes_guided.exceptions import DataFileError

DATA_VARIABLE = "BAYES_GUIDED_DATA"


def data_folder(data_dir: Path | None = None) -> Path:
    """The folder of data files: `data_dir` if given, else the environment variable BAYES_GUIDED_DATA.

    Raises:
        DataFileError: if neither is set, or the folder is not there.
    """
    if data_dir is not None:
        source, folder = "--data-dir", data_dir
    elif os.environ.get(DATA_VARIABLE):
        source, folder = DATA_VARIABLE, Path(os.environ[DATA_VARIABLE])
    else:
        raise DataFileError(f"no data folder is known; give --data-dir FOLDER or set {DATA_VARIABLE}=FOLDER.")
    folder = folder.expanduser()
    if not folder.is_dir():
        raise DataFileError(f"{folder}, from {source}, is not a folder; give the folder that holds the data files.")
    return folder
