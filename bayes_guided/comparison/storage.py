"""Comparisons as NetCDF files: whole or absent, and refused where damaged."""

import hashlib
import io
from pathlib import Path

import numpy as np
import xarray as xr

from bayes_guided.exceptions import ComparisonFileError, OutputExistsError
from bayes_guided.files import write_atomically

FORMAT = "bayes_guided comparison 1"

_DIGEST = "digest"


def write_dataset(dataset: xr.Dataset, path: Path, *, force: bool) -> None:
    """Writes the dataset with a digest of its content.

    Raises:
        OutputExistsError: if the file exists, unless `force`.
        RunFolderError: if it cannot be written.
    """
    if path.exists() and not force:
        raise OutputExistsError(f"'{path}' exists and is kept; give another name, or force=True (--force) to replace it.")
    encoding = {name: {"zlib": True} for name, variable in dataset.data_vars.items() if variable.ndim}
    signed = dataset.assign_attrs({_DIGEST: _digest(dataset)})
    write_atomically(path, bytes(signed.to_netcdf(None, engine="h5netcdf", encoding=encoding)))


def read_dataset(path: Path) -> xr.Dataset:
    """What `write_dataset` wrote.

    Raises:
        ComparisonFileError: if the file is missing, damaged, of another version, or holds no comparison.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise ComparisonFileError(f"there is no comparison at '{path}'.") from error
    except OSError as error:
        raise ComparisonFileError(f"cannot read '{path}': {error.strerror or error}.") from error
    try:
        dataset = xr.load_dataset(io.BytesIO(content), engine="h5netcdf")
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError) as error:  # what HDF5 makes of damage
        raise ComparisonFileError(f"'{path}' is not a whole NetCDF file ({error}); restore it or compare anew.") from error
    if dataset.attrs.get("format") != FORMAT:
        raise ComparisonFileError(
            f"'{path}' holds {dataset.attrs.get('format', 'no comparison')}; this version reads {FORMAT}. Compare anew."
        )
    if dataset.attrs.pop(_DIGEST, None) != _digest(dataset):
        raise ComparisonFileError(f"'{path}' is damaged: its content does not match its digest; restore it or compare anew.")
    return dataset


def _digest(dataset: xr.Dataset) -> str:
    """A hash of the attributes, and of names, dimensions, attributes and values of all variables, as they are read back."""
    found = hashlib.blake2b(_attributes(dataset.attrs), digest_size=16)
    for name, variable in sorted(dataset.variables.items(), key=lambda item: str(item[0])):
        found.update(f"{name} {variable.dims} {variable.shape}".encode() + _attributes(variable.attrs))
        if variable.dtype.kind in "fiub":
            found.update(np.ascontiguousarray(variable.values.astype(np.float64)).data)
        else:
            found.update("\0".join(map(str, variable.values.ravel())).encode())
    return found.hexdigest()


def _attributes(attributes: dict[str, object]) -> bytes:
    # A number comes back as NumPy's, of the same value.
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in attributes.items()}
    return repr(sorted(plain.items())).encode()
