"""The frozen result of `compare`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from bayes_guided.exceptions import ComparisonError

from .inference_data import as_inference_data
from .storage import FORMAT as FORMAT
from .storage import read_dataset, write_dataset

if TYPE_CHECKING:
    import arviz


@dataclass(frozen=True, eq=False)
class Comparison:
    """Prior and posterior over models, in one reading, as an xarray dataset.

    Dimensions: `group` (names, network order), `unit` (original index in the group), `width` and `size` (numbers of units),
    `draw`, and `fit` (names) where several fits stand side by side. Groups shorter than the longest end in NaN (False for
    flags), so that `dataset["posterior_survival"].sel(group="fc1")` is a curve over units. Every variable has its `units` of
    measurement and its `long_name`; the reading is in the attributes. The scalar coordinates `method`, `approximation` (to be
    shown beside posterior numbers), `tau`, `curvature` and `notes` (what is missing or estimated, and why) are per fit.
    """

    dataset: xr.Dataset

    @property
    def reading(self) -> str:
        """The reading of survival, of both sides; "map" stands beside the prior's evidence reading (P11)."""
        return str(self.dataset.attrs["reading"])

    @property
    def groups(self) -> list[str]:
        """Names of the groups, in network order."""
        return [str(name) for name in self.dataset["group"].values]

    @property
    def fits(self) -> list[str]:
        """Names of the fits that stand side by side; none where there is one only."""
        return [str(name) for name in self.dataset["fit"].values] if "fit" in self.dataset.dims else []

    @property
    def notes(self) -> dict[str, list[str]]:
        """What is missing or estimated, and why, by the fit's name ("" where there is one only)."""
        parts = {name: self.fit(name) for name in self.fits} or {"": self}
        return {name: str(part.dataset["notes"].values).splitlines() for name, part in parts.items()}

    def fit(self, name: str) -> "Comparison":
        """One of the fits that stand side by side, by itself, without the groups and indices that it lacks.

        Raises:
            ComparisonError: if there is no fit of that name.
        """
        if name not in self.fits:
            raise ComparisonError(f'there is no fit "{name}" in this comparison; there are {", ".join(self.fits) or "none"}.')
        alone = self.dataset.sel(fit=name).drop_vars("fit")
        alone = alone.isel(group=(alone["num_units"] > 0).values)
        longest, units = int(alone["num_units"].max()), int(alone["num_units"].sum())
        return Comparison(
            alone.isel(unit=slice(longest), width=slice(longest + 1), size=slice(units + 1)).assign_coords(
                num_units=alone["num_units"].astype(int)
            )
        )

    def to_netcdf(self, path: str | Path, *, force: bool = False) -> None:
        """Writes the dataset to a NetCDF file, whole or not at all.

        Raises:
            OutputExistsError: if the file exists, unless `force`; it stays as it is.
            RunFolderError: if it cannot be written.
        """
        write_dataset(self.dataset, Path(path), force=force)

    @staticmethod
    def from_netcdf(path: str | Path) -> "Comparison":
        """Reads what `to_netcdf` wrote.

        Raises:
            ComparisonFileError: if the file is missing, damaged, of another version, or holds no comparison.
        """
        return Comparison(read_dataset(Path(path)))

    def to_arviz(self) -> "arviz.InferenceData":
        """For ArviZ: the widths of drawn models as `prior` and `posterior`, the rest as `constant_data`.

        Needs the extra "diagnostics".

        Raises:
            MissingExtraError: if ArviZ is not installed.
            ComparisonError: if several fits stand side by side; take one with `fit(name)`.
        """
        if self.fits:
            raise ComparisonError(f"ArviZ takes one posterior at a time; choose one with .fit(name): {', '.join(self.fits)}.")
        return as_inference_data(self.dataset)
