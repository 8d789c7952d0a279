"""The data set that every loader returns."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Num
from torch import Tensor

from bayes_guided.exceptions import ConfigError, DataError, LabelError

from .checks import check_data, check_labels
from .label_noise import mislabelled
from .split import split_rows


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Training and test part of a data set, and a validation part where one was cut off.

    Inputs are floats of shape (N, features...), targets of shape (N,) for labels and (N, targets...) for
    regression; N differs from part to part, the rest does not. `num_classes` is the number of classes, with int64
    labels 0 ... num_classes - 1, or None for regression, with float targets. Regression targets may be
    standardised: `y * target_std + target_mean` is back in the file's own units.

    Raises:
        DataError: if a part is empty, has unequal lengths or non-finite values, if the parts have different
            features, or if only one half of the validation part is given.
        LabelError: if the targets do not fit `num_classes`.
    """

    # Shapes are left open here: whatever does not fit is a user's mistake, which gets a DataError and its mend.
    train_x: Num[Tensor, "..."]
    train_y: Num[Tensor, "..."]
    test_x: Num[Tensor, "..."]
    test_y: Num[Tensor, "..."]
    name: str
    num_classes: int | None
    validation_x: Num[Tensor, "..."] | None = None
    validation_y: Num[Tensor, "..."] | None = None
    target_mean: float = 0.0
    target_std: float = 1.0

    def __post_init__(self) -> None:
        if (self.validation_x is None) != (self.validation_y is None):
            raise DataError(f"{self.name}: a validation part needs both validation_x and validation_y.")
        if not self.target_std > 0:
            raise DataError(f"{self.name}: target_std must be positive, got {self.target_std}.")
        self._check_part("training part", self.train_x, self.train_y)
        self._check_part("test part", self.test_x, self.test_y)
        if self.validation_x is not None and self.validation_y is not None:
            self._check_part("validation part", self.validation_x, self.validation_y)

    def __repr__(self) -> str:
        """One line of sizes, for notebooks."""
        parts = [f"{len(self.train_y)} training"]
        if self.validation_y is not None:
            parts.append(f"{len(self.validation_y)} validation")
        targets = "regression" if self.num_classes is None else f"{self.num_classes} classes"
        shape = " x ".join(str(size) for size in self.train_x.shape[1:]) or "1"
        return f"Dataset({self.name}: {', '.join(parts)} and {len(self.test_y)} test cases of {shape} features, {targets})"

    def split_validation(self, fraction: float, seed: int) -> "Dataset":
        """A new data set whose validation part is `fraction` of this training part, which shrinks by it.

        The rows are chosen by a private generator, stratified by class where there are classes (see `split_rows`).

        Raises:
            DataError: if there is a validation part already.
            ConfigError: if the fraction leaves either part empty.
        """
        if self.validation_x is not None:
            raise DataError(f"{self.name}: has a validation part already; split the data set that it was cut from.")
        kept, cut = split_rows(self.train_y, fraction, seed)
        return replace(
            self,
            train_x=self.train_x[kept],
            train_y=self.train_y[kept],
            validation_x=self.train_x[cut],
            validation_y=self.train_y[cut],
        )

    def limited(self, n: int, seed: int) -> "Dataset":
        """A new data set with `n` of the training cases, drawn at random without regard to class; other parts stay.

        The first n in an order that the seed alone decides, so that a smaller limit takes a part of a larger one's cases.
        Inputs and targets stay scaled as they are: by the whole training part, where a loader scaled them.

        Raises:
            ConfigError: if there are not so many training cases, or none are asked for.
        """
        if not 1 <= n <= len(self.train_x):
            raise ConfigError(
                f"{self.name}: a limit of {n:,} training cases is out of range; the training part has {len(self.train_x):,}, "
                "the validation part not counted. Give a whole number from 1 up to that."
            )
        kept = torch.randperm(len(self.train_x), generator=torch.Generator().manual_seed(seed))[:n]
        return replace(self, train_x=self.train_x[kept], train_y=self.train_y[kept])

    def with_label_noise(self, fraction: float, seed: int) -> "Dataset":
        """A new data set in which exactly round(fraction * N) of the N training labels are wrong; other parts stay clean.

        Which ones is drawn by a private generator, and for each another class, each as likely as any other.

        Raises:
            LabelError: if the targets are no class labels.
            ConfigError: if the fraction does not lie between 0 and 1.
        """
        if self.num_classes is None:
            raise LabelError(
                f"{self.name}: label noise needs classes, and these are targets of a regression; leave label_noise out."
            )
        generator = torch.Generator().manual_seed(seed)
        return replace(self, train_y=mislabelled(self.train_y, fraction, self.num_classes, generator))

    def _check_part(self, part: str, x: Tensor, y: Tensor) -> None:
        where = f"{self.name}, {part}"
        check_data(x, y, where)
        if not x.is_floating_point():
            raise DataError(f"{where}: x must be a float tensor, got {x.dtype}; convert it with x.float().")
        self._check_same_shape(where, x, self.train_x, "x")
        if self.num_classes is not None:
            check_labels(y, self.num_classes, where)
        elif y.is_floating_point():
            self._check_same_shape(where, y, self.train_y, "y")
        else:
            raise LabelError(f"{where}: y is {y.dtype}; regression needs float targets, classification num_classes.")

    @staticmethod
    def _check_same_shape(where: str, values: Tensor, train: Tensor, which: str) -> None:
        row, expected = tuple(values.shape[1:]), tuple(train.shape[1:])
        if row != expected:
            raise DataError(f"{where}: a row of {which} has shape {row}, but {expected} in the training part.")
