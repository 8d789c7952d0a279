"""What all priors share: devices, batches and single models, means and conditions."""

import pytest
import torch

import bayes_guided.guidance as guidance
from bayes_guided.priors.models.cumulative_shrinkage import CumulativeShrinkage
from bayes_guided.priors.models.gibbs import GibbsComplexity
from bayes_guided.priors.models.independent import IndependentInclusion
from bayes_guided.priors.models.nested import NestedWidth
from bayes_guided.priors.models.tilted import TiltedWidth
from bayes_guided.priors.models.width_laws import poisson
from tests.priors.every_mask import mlp_architecture

PRIORS = {
    "independent": lambda a: IndependentInclusion.from_guidance(a, guidance.linear(), strength=1.0),
    "nested": lambda a: NestedWidth.from_guidance(a, guidance.linear(), strength=0.3),
    "cumulative shrinkage": lambda a: CumulativeShrinkage.from_guidance(a, guidance.linear(), strength=0.3),
    "Gibbs": lambda a: GibbsComplexity(a, "parameters", beta=0.05),
    "tilted": lambda a: TiltedWidth.from_guidance(a, guidance.linear(), strength=1.0, widths=poisson(2.0)),
    "shared budget": lambda a: TiltedWidth.shared(a, guidance.linear(), strength=1.0, sizes=poisson(4.0)),
}


@pytest.fixture(params=PRIORS)
def prior(request):
    return PRIORS[request.param](mlp_architecture(5, 4))


def test_single_models_agree_with_batches(prior):
    masks = prior.sample(5, torch.Generator().manual_seed(0))
    batch = prior.log_prob_masks(masks)
    for row in range(5):
        sub = prior.architecture.sub_architecture({n: m[row] for n, m in masks.items()}, allow_empty=True)
        assert float(prior.log_prob(sub)) == pytest.approx(float(batch[row]), abs=1e-14)
    assert batch.dtype == torch.float64


def test_a_generator_makes_draws_repeatable(prior):
    first = prior.sample(20, torch.Generator().manual_seed(3))
    second = prior.sample(20, torch.Generator().manual_seed(3))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_laws_of_widths_and_sizes_have_one_mean(prior):
    size = prior.size_pmf() @ torch.arange(10, dtype=torch.float64)
    survival = sum(float(value.sum()) for value in prior.unit_survival().values())
    widths = sum(
        float(prior.width_pmf(name) @ torch.arange(n + 1, dtype=torch.float64)) for name, n in prior.units.sizes.items()
    )
    assert float(size) == pytest.approx(survival, abs=1e-12)
    assert float(size) == pytest.approx(widths, abs=1e-12)


def test_conditioning_is_reweighting(prior):
    conditioned = prior.condition(min_width=2)
    masks = conditioned.sample(50, torch.Generator().manual_seed(1))
    assert all((mask.sum(dim=1) >= 2).all() for mask in masks.values())
    difference = conditioned.log_prob_masks(masks) - prior.log_prob_masks(masks)
    torch.testing.assert_close(difference, difference[:1].expand(50), rtol=0, atol=1e-12)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda(prior):
    moved = prior.to("cuda")
    masks = moved.sample(4)
    assert all(mask.is_cuda for mask in masks.values())
    assert moved.log_prob_masks(masks).is_cuda
    assert moved.unit_survival()["0"].is_cuda
    assert moved.entropy().is_cuda
    assert moved.width_pmf("0").is_cuda
    assert moved.size_pmf().is_cuda
    for form in moved.supported_forms:
        assert all(value.device.type == "cuda" for value in moved.pyro_masks(form).values())
