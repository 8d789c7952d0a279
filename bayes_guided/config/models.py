"""Everything that says what a run does."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from bayes_guided import likelihoods
from bayes_guided.datasets import Dataset

from .data import DataSettings
from .net import NetSettings
from .paths import absolute_data, absolute_module
from .prior import PriorSettings
from .settings import Positive, Settings

Count = Annotated[int, Field(ge=1)]
CountFromZero = Annotated[int, Field(ge=0)]
LikelihoodName = Literal["Categorical", "Bernoulli", "Normal", "Poisson"]


class FitSettings(Settings):
    """The training budget, with the meaning that `bg.fit_map` gives it."""

    epochs: Count = 20
    batch_size: Count = 128
    lr: Positive = 2e-3
    schedule: Literal["constant", "cosine"] = "cosine"
    ramp_epochs: Annotated[float, Field(ge=0)] = 0.0
    warmup_steps: CountFromZero = 50
    metric: Literal["row", "weight"] = "row"
    refit_epochs: CountFromZero = 0
    allow_empty: bool = False
    checkpoint_seconds: Positive = 30.0


class RunConfig(Settings):
    """One run: data, network, prior, budget and seed.

    `likelihood` is Categorical for labels and Normal with learned noise for regression if it is left out. With `baseline`
    the unguided network is trained too, with the same budget, for the comparison.
    """

    name: Annotated[str, Field(pattern=r"^\w[\w.-]*$")] = "run"
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    device: str = "cpu"
    net: NetSettings
    data: DataSettings
    likelihood: LikelihoodName | None = None
    prior: PriorSettings
    fit: FitSettings = FitSettings()
    baseline: bool = False

    def load_data(self) -> Dataset:
        """The data set, its validation part cut off if one is wanted.

        Raises:
            DataError, DataFileError, ConfigError: if the data cannot be used or split.
        """
        data = self.data.load()
        return data.split_validation(self.data.validation, self.data.seed) if self.data.validation else data

    def build_likelihood(self) -> likelihoods.Likelihood:
        """The likelihood; `completed` has named it."""
        return getattr(likelihoods, str(self.likelihood))()

    def completed(self, data: Dataset) -> "RunConfig":
        """With what the data say: the likelihood, and the sizes that a registry network's settings leave out."""
        likelihood = self.likelihood or ("Normal" if data.num_classes is None else "Categorical")
        net = self.net.completed(_sizes(data, likelihood))
        return self.model_copy(update={"likelihood": likelihood, "net": net})

    def with_paths(self, *, config_folder: Path, data_dir: Path | None) -> "RunConfig":
        """With every relative path made absolute.

        Data lie in `data_dir` if it is given; else beside the config file, or, if they are not there, in the folder that
        the environment variable BAYES_GUIDED_DATA names. Everything else lies beside the config file.

        Raises:
            DataFileError: if the data folder is not there.
        """
        data, net = self.data, self.net
        for field in ("folder", "path"):
            if field in type(data).model_fields:
                place = absolute_data(getattr(data, field), config_folder, data_dir)
                data = data.model_copy(update={field: place})
        if net.module is not None:
            net = net.model_copy(update={"module": absolute_module(net.module, config_folder)})
        return self.model_copy(update={"data": data, "net": net})


def _sizes(data: Dataset, likelihood: str) -> dict[str, int]:
    target_width = data.train_y[0].numel()
    outputs = data.num_classes if likelihood == "Categorical" and data.num_classes else target_width
    features = data.train_x.shape[1:]
    return {"inputs": features.numel(), "in_channels": features[0], "outputs": outputs}
