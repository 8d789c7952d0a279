import json

import pytest
import torch

from bayes_guided import guidance
from bayes_guided.exceptions import ArchitectureMismatchError, CheckpointError
from bayes_guided.priors import (
    CumulativeShrinkage,
    GibbsComplexity,
    GroupLaplace,
    IndependentInclusion,
    NestedWidth,
    Normal,
    SpikeAndSlabPrior,
    TiltedWidth,
    geometric,
    laplace_log_volume,
    poisson,
)
from bayes_guided.priors.storage import prior_from_json, prior_to_json
from tests.priors.every_mask import mlp_architecture

ARCHITECTURE = mlp_architecture(3, 2)
STEP = guidance.step(1)
MODELS = {
    "independent": IndependentInclusion.from_guidance(ARCHITECTURE, STEP, strength=1.5),
    "nested": NestedWidth.from_law(ARCHITECTURE, poisson(1.3)).condition(min_width=1),
    "tilted": TiltedWidth.from_guidance(ARCHITECTURE, STEP, strength=0.7, widths=geometric(0.4)),
    "shared": TiltedWidth.shared(ARCHITECTURE, guidance.linear(), strength=1.0, sizes=geometric(0.3)).condition(min_width=1),
    "cumulative": CumulativeShrinkage.from_guidance(ARCHITECTURE, STEP, strength=0.5),
    "gibbs": GibbsComplexity(ARCHITECTURE, "macs", beta=0.05).condition(min_width={"0": 2}),
}


def spike_and_slab(models, **settings):
    return SpikeAndSlabPrior(ARCHITECTURE, models, GroupLaplace(strength=2.0), guidance=STEP, **settings)


def every_mask():
    codes = torch.arange(2**5)
    masks = (codes[:, None] >> torch.arange(5)) % 2 == 1
    return {"0": masks[:, :3], "2": masks[:, 3:]}


@pytest.mark.parametrize("name", MODELS)
def test_the_round_trip_through_json_gives_the_same_law_over_every_model(name):
    protected = MODELS[name].protected or {}
    slab_guidance = STEP if any(bool(mask.any()) for mask in protected.values()) else guidance.linear()
    prior = SpikeAndSlabPrior(
        ARCHITECTURE,
        MODELS[name],
        GroupLaplace(strength=2.0),
        guidance=slab_guidance,
        rest=Normal(strength=0.1),
        log_volume=laplace_log_volume(ARCHITECTURE, 3.0),
    )
    text = json.dumps(prior_to_json(prior), allow_nan=False)
    again = prior_from_json(mlp_architecture(3, 2), json.loads(text))
    assert isinstance(again, SpikeAndSlabPrior)
    assert type(again.models) is type(prior.models)
    torch.testing.assert_close(
        again.models.log_prob_masks(every_mask()), prior.models.log_prob_masks(every_mask()), rtol=1e-13, atol=1e-13
    )
    rows = {group.name: torch.randn(group.size, group.row_dim) for group in ARCHITECTURE.groups}
    full, rest = again.architecture.full(), torch.randn(ARCHITECTURE.rest_size)
    torch.testing.assert_close(again.joint_penalty(rows, full, rest), prior.joint_penalty(rows, ARCHITECTURE.full(), rest))


def test_masks_of_protected_units_come_back():
    again = prior_from_json(ARCHITECTURE, prior_to_json(spike_and_slab(MODELS["independent"])))
    assert isinstance(again, SpikeAndSlabPrior)
    assert again.models.protected is not None
    assert {name: mask.tolist() for name, mask in again.models.protected.items()} == {
        "0": [True, False, False],
        "2": [True, False],
    }
    assert again.log_volume is None


def test_what_no_file_can_hold_is_refused():
    prior = SpikeAndSlabPrior(
        ARCHITECTURE, GibbsComplexity(ARCHITECTURE, lambda widths: widths["0"] * widths["2"], beta=0.1), Normal(strength=1.0)
    )
    with pytest.raises(CheckpointError, match="function"):
        prior_to_json(prior)


def test_foreign_values_are_refused():
    values = prior_to_json(spike_and_slab(MODELS["tilted"]))
    with pytest.raises(ArchitectureMismatchError, match="same class and sizes"):
        prior_from_json(mlp_architecture(3, 3), values)
    with pytest.raises(CheckpointError, match="log_volume"):
        prior_from_json(ARCHITECTURE, {name: value for name, value in values.items() if name != "log_volume"})
    with pytest.raises(CheckpointError, match="'Polya'"):
        prior_from_json(ARCHITECTURE, values | {"models": {"family": "Polya"}})
    with pytest.raises(CheckpointError, match="costs"):
        prior_from_json(
            ARCHITECTURE, values | {"models": {name: value for name, value in values["models"].items() if name != "costs"}}
        )
