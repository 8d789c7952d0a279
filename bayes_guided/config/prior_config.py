"""Everything that says which prior over models is shown."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from bayes_guided.architecture import Architecture
from bayes_guided.datasets import Dataset
from bayes_guided.priors import ModelPrior
from bayes_guided.priors.models.wanted_guidance import WantedGuidance, guidance_of_weights
from bayes_guided.types import UnitValues

from .compare import CompareSettings
from .data import DataSettings, Digits
from .fit import FitSettings
from .located import located_data, located_net
from .model_prior import ModelSettings
from .models import LikelihoodName
from .net import NetSettings
from .per_group import Counts, for_groups
from .prior import PriorSettings
from .reading import ReadingSettings
from .settings import Settings
from .sizes import sizes_of_data, sizes_of_input


class PriorConfig(Settings):
    """A network and a prior over its models: `models`, or the continuous `prior` of a fit with a `reading`.

    Where both stand, as in the run of a spike and slab, `models` are shown and `prior` is their slab.

    The network's input is that of `data` (the digits, if nothing is said) or one case of `input_shape`. `seed` is for what
    has to be estimated. The other settings of a fit may stand in the file and have no say.
    """

    name: Annotated[str, Field(pattern=r"^\w[\w.-]*$")] = "prior"
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    net: NetSettings
    data: DataSettings | None = None
    input_shape: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)] | None = None
    prior: PriorSettings | None = None
    reading: ReadingSettings | None = None
    models: ModelSettings | None = None
    likelihood: LikelihoodName | None = None
    device: str = "cpu"
    fit: FitSettings | None = None
    compare: CompareSettings | None = None
    baseline: bool = False

    @model_validator(mode="after")
    def _one_prior(self) -> "PriorConfig":
        if self.prior is None and self.models is None:
            raise PydanticCustomError("contradiction", "give either 'prior' with a 'reading', or 'models'")
        if self.models is None and self.reading is None:
            raise PydanticCustomError(
                "contradiction",
                "'prior' needs a 'reading' such as {name: evidence, curvature: 100}: readings differ by orders of magnitude",
            )
        if self.models is not None and self.reading is not None:
            raise PydanticCustomError("contradiction", "'reading' belongs to 'prior'; 'models' are read as they are")
        return self

    @model_validator(mode="after")
    def _one_input(self) -> "PriorConfig":
        if self.data is not None and self.input_shape is not None:
            raise PydanticCustomError("contradiction", "give 'data' or 'input_shape', not both")
        return self

    def load_data(self) -> Dataset | None:
        """The data set whose inputs the network takes; None where the configuration gives their shape.

        Raises:
            DataError, DataFileError: if the data cannot be used.
        """
        if self.input_shape is not None:
            return None
        return (self.data or Digits(kind="digits")).load()

    def completed(self, data: Dataset | None) -> "PriorConfig":
        """With the sizes that a registry network's settings leave out, from the data or from `input_shape`."""
        if data is None:
            sizes = sizes_of_input(self.input_shape or [])
        else:
            sizes = sizes_of_data(data, self.likelihood or ("Normal" if data.num_classes is None else "Categorical"))
        return self.model_copy(update={"net": self.net.completed(sizes)})

    def with_paths(self, *, config_folder: Path, data_dir: Path | None) -> "PriorConfig":
        """With every relative path made absolute, as in a fit.

        Raises:
            DataFileError: if the data folder is not there.
        """
        data = None if self.data is None else located_data(self.data, config_folder, data_dir)
        return self.model_copy(update={"data": data, "net": located_net(self.net, config_folder)})

    @property
    def title(self) -> str:
        """What the prior is, in words."""
        if self.models is not None:
            return f"{self.models.kind} prior over models (reading: inclusion)"
        prior, reading = self._continuous()
        numbers = ", ".join(f"{name} {value:g}" for name, value in reading.numbers.items())
        return f"{prior.family} at strength {prior.strength:g}, as a prior over models (reading: {reading.name}, {numbers})"

    @property
    def reading_name(self) -> str:
        """The reading of all survivals."""
        return "inclusion" if self.models is not None else self._continuous()[1].name

    def build(self, architecture: Architecture) -> ModelPrior:
        """The prior over models, conditioned on the least widths.

        Raises:
            BayesGuidedError: as the prior's own class; ReadingError if the family has no such reading.
        """
        if self.models is not None:
            return _conditioned(self.models.build(architecture), self.models.min_width)
        prior, reading = self._continuous()
        found = prior.build(architecture).model_prior(reading.name, **reading.numbers)
        return _conditioned(found, reading.min_width)

    def guidance_values(self, architecture: Architecture) -> UnitValues | None:
        """The profile g_u of every group, None where the prior has none."""
        if self.models is not None:
            return self.models.guidance_values(architecture)
        return self._continuous()[0].build(architecture).coefficients

    def wanted_guidance(self, architecture: Architecture) -> WantedGuidance | None:
        """The guidance that has the mean width sought, before conditioning; None if none is sought.

        Raises:
            WidthLawError: if no guidance has it.
            ConfigError: if a group is named that does not exist.
        """
        if self.models is not None:
            return self.models.wanted_guidance(architecture)
        prior, reading = self._continuous()
        if reading.mean_width is None:
            return None
        wanted = for_groups(reading.mean_width, architecture, "reading.mean_width")
        return guidance_of_weights(prior.build(architecture), wanted, reading=reading.name, **reading.numbers)

    @property
    def wanted_as(self) -> str:
        """What the strength s of the wanted guidance multiplies to."""
        if self.models is not None:
            return getattr(self.models, "wanted_as", "")
        return f"strength s of {self._continuous()[0].family} with the profile g_u"

    def _continuous(self) -> tuple[PriorSettings, ReadingSettings]:
        assert self.prior is not None  # by `_one_prior`
        assert self.reading is not None
        return self.prior, self.reading


def _conditioned(prior: ModelPrior, min_width: Counts | None) -> ModelPrior:
    return prior if min_width is None else prior.condition(min_width=min_width)
