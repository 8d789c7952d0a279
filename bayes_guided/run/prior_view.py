"""A prior over models shown without any fit: settings in, numbers and figures out."""

from dataclasses import dataclass
from pathlib import Path

import torch

from bayes_guided.architecture import Architecture
from bayes_guided.config import PriorConfig
from bayes_guided.priors import GibbsComplexity, ModelPrior, PriorOverview, overview
from bayes_guided.priors.models.wanted_guidance import WantedGuidance
from bayes_guided.types import UnitValues

from .prior_figures import draw_prior
from .prior_folder import claim, require_free
from .prior_numbers import save_numbers


@dataclass(frozen=True, eq=False)
class PriorView:
    """A prior over models and what it says. `guidance` is its profile g_u, `wanted` the guidance sought; None for none."""

    config: PriorConfig
    prior: ModelPrior
    overview: PriorOverview
    guidance: UnitValues | None
    wanted: WantedGuidance | None

    @property
    def architecture(self) -> Architecture:
        """The units of the network."""
        return self.prior.architecture

    @property
    def title(self) -> str:
        """What the prior is, in words; with the strength that was solved for where only a mean cost was given."""
        prior = self.prior
        found = f", beta {prior.beta:.6g} nats per unit of {prior.cost}" if isinstance(prior, GibbsComplexity) else ""
        return f"{self.config.title}{found}"


def view_prior(config: PriorConfig) -> PriorView:
    """Builds the prior of a configuration and looks at it. The caller's random generators stay as they are.

    Raises:
        ConfigError: if a setting does not fit the data or the network.
        DataError, DataFileError: if the data cannot be used.
        BayesGuidedError: as `Architecture.from_module` and the prior's own class.
    """
    data = config.load_data()
    config = config.completed(data)
    inputs = torch.zeros(2, *(config.input_shape or [])) if data is None else data.train_x[:2]
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        net = config.net.build()
    architecture = Architecture.from_module(net, inputs, protect=config.net.protect)
    prior = config.build(architecture)
    return PriorView(
        config=config,
        prior=prior,
        wanted=config.wanted_guidance(architecture),
        guidance=config.guidance_values(architecture),
        overview=overview(prior, generator=torch.Generator().manual_seed(config.seed)),
    )


def show_prior(config: PriorConfig, folder: str | Path) -> PriorView:
    """Looks at a prior and fills a folder: config.yaml, the figures, and `prior.json` last.

    A folder that holds this very prior is filled anew, with the same numbers.

    Raises:
        RunFolderError: if the folder holds anything else, or cannot be written.
        BayesGuidedError: as `view_prior`.
    """
    place = Path(folder)
    require_free(place, config)
    view = view_prior(config)
    claim(place, config)
    draw_prior(view.overview, view.guidance, reading=config.reading_name, folder=place)
    save_numbers(view.overview, view.guidance, view.wanted, config, place / "prior.json", title=view.title)
    return view
