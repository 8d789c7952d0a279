"""Everything that says what a run does."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from bayes_guided import likelihoods
from bayes_guided.architecture import Architecture
from bayes_guided.datasets import Dataset
from bayes_guided.priors import GuidedPrior, SpikeAndSlabPrior

from .compare import CompareSettings
from .data import DataSettings
from .fit import EnsembleSettings, FitSettings, MAPSettings, MCMCSettings
from .located import located_data, located_net
from .model_prior import ModelSettings
from .net import NetSettings
from .prior import PriorSettings
from .settings import Settings
from .sizes import sizes_of_data
from .svi import SVISettings

LikelihoodName = Literal["Categorical", "Bernoulli", "Normal", "Poisson"]


class RunConfig(Settings):
    """One run: data, network, prior, method with its budget, and seed.

    With `models` the prior is a spike and slab: a prior over models, and `prior` is the slab of the units that are present.

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
    models: ModelSettings | None = None
    fit: FitSettings = MAPSettings()
    compare: CompareSettings = CompareSettings()
    baseline: bool = False

    elsewhere: ClassVar[dict[str, str]] = {
        **{
            name: f"fit.{name}"
            for kind in (SVISettings, EnsembleSettings, MCMCSettings, MAPSettings)
            for name in kind.model_fields
        },
        **{name: f"prior.{name}" for name in PriorSettings.model_fields},
        **{name: f"data.{name}" for name in ("limit", "label_noise")},
        **{name: f"compare.{name}" for name in ("reading", "tau", "curvature", "margins")},
    }

    @model_validator(mode="after")
    def _possible(self) -> "RunConfig":
        models = self.models is not None
        readings = self.fit.readings(self.prior.family, models=models)
        problem = self.fit.contradiction(models=models) or self.compare.problem(
            readings, method=self.fit.method, family=self.prior.family
        )
        if problem is not None:
            raise PydanticCustomError("contradiction", "{problem}", {"problem": problem})
        return self

    def load_data(self) -> Dataset:
        """The data set as the section says: validation part, limit and label noise.

        Raises:
            DataError, DataFileError, LabelError, ConfigError: if the data cannot be used, split, limited or mislabelled.
        """
        return self.data.prepared()

    def build_likelihood(self) -> likelihoods.Likelihood:
        """The likelihood; `completed` has named it."""
        return getattr(likelihoods, str(self.likelihood))()

    def build_prior(self, architecture: Architecture) -> GuidedPrior | SpikeAndSlabPrior:
        """The guided prior; with `models`, the spike and slab of which it is the slab.

        Raises:
            BayesGuidedError: as the priors' own classes.
        """
        guided = self.prior.build(architecture)
        if self.models is None:
            return guided
        models = self.models.build(architecture)
        if self.models.min_width is not None:
            models = models.condition(min_width=self.models.min_width)
        return SpikeAndSlabPrior(
            architecture, models, guided.weights, guidance=guided.guidance, rest=guided.rest, penalised=guided.penalised
        )

    def completed(self, data: Dataset) -> "RunConfig":
        """With what the data say: the likelihood, and the sizes that a registry network's settings leave out."""
        likelihood = self.likelihood or ("Normal" if data.num_classes is None else "Categorical")
        net = self.net.completed(sizes_of_data(data, likelihood))
        return self.model_copy(update={"likelihood": likelihood, "net": net})

    def with_paths(self, *, config_folder: Path, data_dir: Path | None) -> "RunConfig":
        """With every relative path made absolute.

        Data lie in `data_dir` if it is given; else beside the config file, or, if they are not there, in the folder that
        the environment variable BAYES_GUIDED_DATA names. Everything else lies beside the config file.

        Raises:
            DataFileError: if the data folder is not there.
        """
        data = located_data(self.data, config_folder, data_dir)
        return self.model_copy(update={"data": data, "net": located_net(self.net, config_folder)})
