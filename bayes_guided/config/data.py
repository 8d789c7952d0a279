"""Settings of the data, one model per kind of source."""

from abc import abstractmethod
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from bayes_guided import datasets
from bayes_guided.datasets import Dataset

from .settings import Settings

Fraction = Annotated[float, Field(ge=0, lt=1)]
DataPath = Annotated[Path, Field(strict=False)]


class _Source(Settings):
    """`validation` is the fraction of the training part that is held out; `seed` draws every split.

    `limit` leaves so many of the remaining training cases, drawn at random; `label_noise` makes the fraction of their
    labels wrong. Both are drawn with `seed`; validation and test part stay as they are, so that runs of several limits or
    noises are measured on the same cases.
    """

    validation: Fraction = 0.0
    limit: Annotated[int, Field(ge=1)] | None = None
    label_noise: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=0)] = 0

    @abstractmethod
    def load(self) -> Dataset:
        """The data set, with its own test part."""

    def prepared(self) -> Dataset:
        """The data set as a run takes it: validation part cut off, then training cases limited and labels made wrong.

        Raises:
            DataError, DataFileError: if the data cannot be used.
            LabelError: if label noise is asked for and the targets are no classes.
            ConfigError: if the data cannot be split or limited so.
        """
        data = self.load()
        if self.validation:
            data = data.split_validation(self.validation, self.seed)
        if self.limit is not None:
            data = data.limited(self.limit, self.seed)
        return data if self.label_noise is None else data.with_label_noise(self.label_noise, self.seed)


class Digits(_Source):
    """scikit-learn's bundled digits; `flat` gives 64 features instead of an 8 x 8 image."""

    kind: Literal["digits"]
    flat: bool = True

    def load(self) -> Dataset:
        """The data set, with its own test part."""
        return datasets.load_digits(flat=self.flat, seed=self.seed)


class IDX(_Source):
    """A folder with the four files of MNIST's names."""

    kind: Literal["idx"]
    folder: DataPath
    flat: bool = True

    def load(self) -> Dataset:
        """The data set, with its own test part."""
        return datasets.load_idx(self.folder, flat=self.flat)


class CSV(_Source):
    """A table of numbers; `target` is a column's name or index."""

    kind: Literal["csv"]
    path: DataPath
    task: Literal["classification", "regression"]
    target: str | int = -1
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","

    def load(self) -> Dataset:
        """The data set, split and standardised."""
        return datasets.load_csv(
            self.path,
            task=self.task,
            target=self.target,
            test_fraction=self.test_fraction,
            seed=self.seed,
            delimiter=self.delimiter,
        )


class NPZ(_Source):
    """Arrays train_x, train_y, test_x, test_y, or x, y."""

    kind: Literal["npz"]
    path: DataPath
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2

    def load(self) -> Dataset:
        """The data set, split if the file has no test part."""
        return datasets.load_npz(self.path, test_fraction=self.test_fraction, seed=self.seed)


class UCI(_Source):
    """A folder with a UCI regression set and its standard splits; `split` counts from 0."""

    kind: Literal["uci"]
    folder: DataPath
    split: Annotated[int, Field(ge=0)] = 0

    def load(self) -> Dataset:
        """The data set, split as the standard says."""
        return datasets.load_uci(self.folder, split=self.split)


class OpenML(_Source):
    """A data set of openml.org by name and version; `target` is a column's name, OpenML's own by default."""

    kind: Literal["openml"]
    name: Annotated[str, Field(min_length=1)]
    version: Annotated[int, Field(ge=1)]
    task: Literal["classification", "regression"]
    target: str | None = None
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2

    def load(self) -> Dataset:
        """The data set, fetched unless it was before, split and standardised."""
        return datasets.load_openml(
            self.name,
            version=self.version,
            task=self.task,
            target=self.target,
            test_fraction=self.test_fraction,
            seed=self.seed,
        )


DataSettings = Annotated[Digits | IDX | CSV | NPZ | UCI | OpenML, Field(discriminator="kind")]
