"""What a fit records of every epoch."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Epoch:
    """One epoch of a fit.

    `loss` is the objective per case, `N * mean NLL + penalty` over N, and `nll` its first term, both in nats and averaged
    over the epoch's batches (the penalty is taken at the epoch's end); `error` is the training error over the epoch and
    `validation_error` that of the validation data at its end (fraction, or root mean squared error); `widths` counts the
    units of every group that are not exactly zero.
    """

    loss: float
    nll: float
    error: float
    widths: dict[str, int]
    validation_error: float | None = None


@dataclass(frozen=True, repr=False)
class History:
    """All epochs of a fit, in order."""

    epochs: tuple[Epoch, ...] = ()

    def __len__(self) -> int:
        return len(self.epochs)

    def __repr__(self) -> str:
        """The number of epochs and the last one."""
        return f"History({len(self)} epochs{f', the last {self.epochs[-1]}' if self.epochs else ''})"

    def then(self, epoch: Epoch) -> "History":
        """This history with one more epoch."""
        return History((*self.epochs, epoch))

    @property
    def losses(self) -> list[float]:
        """The loss of every epoch, nats per case."""
        return [epoch.loss for epoch in self.epochs]

    @property
    def errors(self) -> list[float]:
        """The training error of every epoch."""
        return [epoch.error for epoch in self.epochs]

    @property
    def validation_errors(self) -> list[float] | None:
        """The validation error of every epoch, None without validation data."""
        errors = [epoch.validation_error for epoch in self.epochs if epoch.validation_error is not None]
        return errors if len(errors) == len(self.epochs) and errors else None

    @property
    def widths(self) -> dict[str, list[int]]:
        """Units left in every group after every epoch."""
        names = self.epochs[0].widths if self.epochs else {}
        return {name: [epoch.widths[name] for epoch in self.epochs] for name in names}

    def to_json(self) -> list[dict[str, Any]]:
        """The epochs as plain values."""
        return [asdict(epoch) for epoch in self.epochs]

    @staticmethod
    def from_json(epochs: list[dict[str, Any]]) -> "History":
        """The inverse of `to_json`."""
        return History(tuple(Epoch(**epoch) for epoch in epochs))
