"""From fits to the numbers of a run."""

import math
from typing import Literal

from torch import Tensor, nn

from bayes_guided.comparison import Comparison
from bayes_guided.datasets import Dataset
from bayes_guided.exceptions import DataError
from bayes_guided.infer import Fit
from bayes_guided.infer.prediction.evaluation import evaluate
from bayes_guided.infer.training.batches import as_batches
from bayes_guided.likelihoods import Likelihood

from .handover import refit_of
from .metrics import Metrics, peak_memory_mb, versions

Part = Literal["train", "validation", "test"]


def data_part(data: Dataset, part: Part) -> tuple[Tensor, Tensor]:
    """Inputs and targets of one part.

    Raises:
        DataError: if the data have no such part.
    """
    x, y = getattr(data, f"{part}_x"), getattr(data, f"{part}_y")
    if x is None or y is None:
        raise DataError(f"{data.name}: there is no {part} part.")
    return x, y


def error_of(net: nn.Module, likelihood: Likelihood, data: Dataset, part: Part) -> float:
    """Fraction misclassified, or root mean squared error in the data's own units."""
    device = next(net.parameters()).device
    found = evaluate(net, likelihood, as_batches(data_part(data, part), 1024, device))
    return found.error * (data.target_std if found.error_name == "RMSE" else 1.0)


def measure(data: Dataset, fit: Fit, unguided: Fit | None, comparison: Comparison) -> Metrics:
    """The numbers of a run, `seconds_total` so far as the fits go."""
    small = fit.reduce()
    refit = refit_of(fit)
    scale = data.target_std if fit.likelihood.error_name == "RMSE" else 1.0

    def error(net: nn.Module | None, part: Part) -> float | None:
        if net is None or getattr(data, f"{part}_x") is None:
            return None
        return error_of(net, fit.likelihood, data, part)

    def error_of_fit(part: Part) -> float | None:
        return None if getattr(data, f"{part}_x") is None else scale * fit.evaluate(data_part(data, part)).error

    test = fit.evaluate(data_part(data, "test"))
    sub, full, values = fit.sub_architecture(), fit.architecture.full(), comparison.dataset
    curvature = float(values["curvature"])
    return Metrics(
        method=fit.method,
        approximation=fit.approximation,
        error_name=test.error_name,
        test_error=scale * test.error,
        test_nll=test.nll,
        test_calibration_error=test.calibration_error,
        test_error_reduced=error_of(small, fit.likelihood, data, "test"),
        test_error_refit=error(refit and refit.net, "test"),
        test_error_unguided=error(unguided and unguided.net, "test"),
        validation_error=error_of_fit("validation"),
        validation_error_refit=error(refit and refit.net, "validation"),
        validation_error_unguided=error(unguided and unguided.net, "validation"),
        group_names=list(sub.widths),
        widths=list(sub.widths.values()),
        widths_before=list(full.widths.values()),
        units_before=full.num_units,
        units_after=sub.num_units,
        parameters_before=full.num_parameters,
        parameters_after=sum(parameter.numel() for parameter in small.parameters()),
        macs_before=full.macs,
        macs_after=sub.macs,
        reading=comparison.reading,
        curvature=None if math.isnan(curvature) else curvature,
        effective_units_prior=float(values["prior_effective_size"]),
        effective_units=float(values["posterior_effective_size"]),
        epochs=len(fit.history),
        refit_epochs=0 if refit is None else len(refit.history),
        seconds=fit.seconds,
        seconds_unguided=None if unguided is None else unguided.seconds,
        seconds_total=fit.seconds + (0.0 if unguided is None else unguided.seconds),
        peak_memory_mb=peak_memory_mb(),
        seed=fit.seed,
        versions=versions(),
    )
