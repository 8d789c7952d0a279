"""Data sets: one loader for each kind of file, all returning a `Dataset`."""

from .checks import check_data as check_data
from .csv import load_csv as load_csv
from .dataset import Dataset as Dataset
from .digits import load_digits as load_digits
from .folder import data_folder as data_folder
from .idx import load_idx as load_idx
from .label_noise import mislabelled as mislabelled
from .npz import load_npz as load_npz
from .openml import load_openml as load_openml
from .split import split_rows as split_rows
from .uci import load_uci as load_uci
from .uci import uci_splits as uci_splits
