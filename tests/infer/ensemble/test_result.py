"""What an ensemble says: shares of members, with intervals; all members in predictions; saved and read back."""

import math

import pytest
import torch
from torch import nn

import bayes_guided as bg
from bayes_guided import guidance
from bayes_guided.exceptions import ArchitectureMismatchError, ConfigError, ReadingError
from bayes_guided.infer.draws import Draws
from bayes_guided.infer.training.history import History
from tests.infer.problems import BUDGET, CLASSES, LEARNED_NOISE, ConvNet, built, guided, image_data, same_bits
from theory import survival_numbers

MEMBERS = 5


@pytest.fixture(scope="module")
def images() -> bg.EnsembleFit:
    """Batch norm and dropout; members differ in everything."""
    net = built(ConvNet)
    prior = guided(net, image_data()[0][:2], 0.7)
    return bg.fit_ensemble(net, prior, image_data(), members=MEMBERS, vary="both", validation=image_data(20, 1), **BUDGET)


@pytest.fixture(scope="module")
def numbers() -> bg.EnsembleFit:
    """A learned noise."""
    net = LEARNED_NOISE.net()
    settings = {"likelihood": bg.likelihoods.Normal(), "members": MEMBERS, "vary": "seed"}
    return bg.fit_ensemble(net, LEARNED_NOISE.prior(net), LEARNED_NOISE.data(), **settings, **BUDGET)


def of_masks(alive: torch.Tensor, *, protected: int = 0) -> bg.EnsembleFit:
    """An ensemble without a fit, of a 5-U-3 network, whose members keep the units that are given."""
    members, units = alive.shape
    net = nn.Sequential(nn.Linear(5, units), nn.ReLU(), nn.Linear(units, 3))
    profile = guidance.custom({"0": (torch.arange(units) >= protected).double() * torch.arange(1, units + 1)})
    architecture = bg.Architecture.from_module(net, torch.randn(2, 5))
    prior = bg.GuidedPrior(architecture, weights=bg.priors.GroupLaplace(strength=1.0), guidance=profile)
    rows = {"0": architecture.rows(net)["0"].detach() * alive[..., None]}
    draws = Draws(rows, architecture.rest_vector(net).detach().expand(members, -1))
    likelihood = bg.likelihoods.Categorical()
    fields = {"history": History(), "seed": 0, "seconds": 0.0, "members": draws, "vary": "bootstrap"}
    return bg.EnsembleFit(prior=prior, likelihood=likelihood, net=net, **fields)


ALIVE = torch.tensor([[1, 0, 1, 1], [1, 0, 0, 1], [1, 0, 1, 0], [1, 0, 0, 0]]).bool()
"""Kept by all, none, half and half of four members."""


def test_survival_is_the_share_of_members():
    fit = of_masks(ALIVE)
    assert fit.readings == ("map",)
    assert fit.unit_survival()["0"].tolist() == [1.0, 0.0, 0.5, 0.5]
    assert fit.unit_survival("map")["0"].dtype == torch.float64
    assert fit.survivals["0"].tolist() == [4, 0, 2, 2]
    assert fit.member_widths["0"].tolist() == [3, 2, 2, 1]
    assert torch.equal(fit.member_masks["0"], ALIVE)
    expected = [math.log(4.5 / 0.5), math.log(0.5 / 4.5), 0.0, 0.0]
    assert fit.unit_log_odds("map")["0"].tolist() == pytest.approx(expected)


def test_the_interval_is_jeffreys():
    lower, upper = of_masks(ALIVE).survival_interval("map", level=0.9)
    low, high = survival_numbers.jeffreys_interval(2, 4, 0.9)
    assert lower["0"].tolist() == pytest.approx([survival_numbers.jeffreys_interval(4, 4, 0.9)[0], 0.0, low, low])
    assert upper["0"].tolist() == pytest.approx([1.0, survival_numbers.jeffreys_interval(0, 4, 0.9)[1], high, high])


def test_protected_units_survive_for_certain():
    fit = of_masks(ALIVE, protected=2)
    assert fit.unit_survival("map")["0"].tolist() == [1.0, 1.0, 0.5, 0.5]
    assert fit.unit_log_odds("map")["0"][:2].tolist() == [math.inf, math.inf]
    lower, upper = fit.survival_interval("map")
    assert lower["0"][:2].tolist() == upper["0"][:2].tolist() == [1.0, 1.0]


def test_there_is_no_posterior_in_it():
    fit = of_masks(ALIVE)
    assert "not a posterior" in fit.approximation
    assert "sampling noise" in fit.approximation
    for reading in ("threshold", "inclusion"):
        with pytest.raises(ReadingError, match="it knows map"):
            fit.unit_survival(reading, tau=0.1)
    with pytest.raises(ReadingError):
        fit.unit_log_bayes_factors("map")


def test_the_model_is_what_half_of_the_members_keep():
    assert of_masks(ALIVE).sub_architecture().masks["0"].tolist() == [True, False, True, True]
    sometimes = torch.zeros(5, 4).bool()
    sometimes[0, 2] = sometimes[1, 2] = sometimes[3, 3] = True
    assert of_masks(sometimes).sub_architecture().masks["0"].tolist() == [False, False, True, False]  # the most often kept
    assert of_masks(torch.zeros(3, 4).bool()).sub_architecture().masks["0"].tolist() == [True, False, False, False]


def test_masks_and_draws_are_members():
    fit = of_masks(ALIVE)
    assert torch.equal(fit.masks("map", 4)["0"], ALIVE)
    eight = fit.masks("map", 10)["0"]
    own = {tuple(row) for row in ALIVE.tolist()}
    counts = [sum(torch.equal(row, member) for row in eight) for member in ALIVE]
    assert sorted(counts) == [2, 2, 3, 3]
    assert {tuple(row) for row in eight.tolist()} == own
    assert torch.equal(fit.draws(3).rows["0"], fit.draws(3).rows["0"])
    assert len(fit.draws(3)) == 3
    other = fit.draws(1, torch.Generator().manual_seed(5)), fit.draws(1, torch.Generator().manual_seed(6))
    assert all(len(draw) == 1 for draw in other)


def test_predictions_are_means_over_members(images):
    inputs, targets = image_data(30, seed=2)
    alone = [images.member(index) for index in range(MEMBERS)]
    expected = torch.stack([member.predict(inputs) for member in alone]).mean(dim=0)
    torch.testing.assert_close(images.predict(inputs), expected, rtol=1e-4, atol=1e-5)
    found = images.evaluate((inputs, targets))
    chance = expected[torch.arange(30), targets]
    assert found.nll == pytest.approx(-float(chance.log().mean()), rel=1e-4)
    assert found.error == pytest.approx(float((expected.argmax(dim=1) != targets).float().mean()))
    held_out, labels = image_data(20, 1)
    wrong = (images.predict(held_out).argmax(dim=1) != labels).float().mean()
    assert images.history.validation_errors[-1] == pytest.approx(float(wrong))


def test_predictions_with_a_learned_noise(numbers):
    inputs, targets = LEARNED_NOISE.data(40, seed=2)
    densities = []
    for index in range(MEMBERS):
        member = numbers.member(index)
        assert float(member.likelihood.scale) == pytest.approx(float(numbers.members.noise_scale[index]), rel=1e-6)
        densities.append(member.likelihood.log_prob(member.net(inputs), targets).detach())
    mixture = torch.stack(densities).logsumexp(dim=0) - math.log(MEMBERS)
    assert numbers.evaluate((inputs, targets)).nll == pytest.approx(-float(mixture.mean()), rel=1e-4)


def test_history_is_the_members_mean(images, numbers):
    for fit, data in ((images, image_data()), (numbers, LEARNED_NOISE.data())):
        penalties = []
        for index in range(MEMBERS):
            member = fit.member(index)
            rest = fit.architecture.rest_vector(member.net)
            penalties.append(float(fit.prior.penalty(member.rows, rest) + member.likelihood.penalty()))
        last = fit.history.epochs[-1]
        assert last.loss - last.nll == pytest.approx(sum(penalties) / MEMBERS / len(data[0]), rel=1e-4)
        kept = {name: int((mask.sum(dim=0) * 2 >= MEMBERS).sum()) for name, mask in fit.member_masks.items()}
        assert last.widths == kept


def test_members_and_reduction(images):
    with pytest.raises(ConfigError, match="members 0 to 4"):
        images.member(MEMBERS)
    assert same_bits(images.member(0).net, images.net)
    reduced = images.reduce()
    assert reduced(image_data()[0][:3]).shape == (3, 3)
    for name, widths in images.member_widths.items():
        for index in range(MEMBERS):
            assert int((images.member(index).rows[name] != 0).any(dim=1).sum()) == int(widths[index])


@pytest.mark.parametrize("which", ["images", "numbers"])
def test_saved_and_read_back_without_data(tmp_path, request, which):
    fit = request.getfixturevalue(which)
    fit.save(tmp_path)
    net = built(ConvNet, 9) if which == "images" else LEARNED_NOISE.net(9)
    found = bg.load_fit(tmp_path, net)
    assert isinstance(found, bg.EnsembleFit)
    assert (found.approximation, found.vary, found.seed) == (fit.approximation, fit.vary, fit.seed)
    assert found.history == fit.history
    for index in range(MEMBERS):
        assert same_bits(found.member(index).net, fit.member(index).net)
        assert same_bits(found.member(index).likelihood, fit.member(index).likelihood)
    with pytest.raises(ArchitectureMismatchError):
        bg.load_fit(tmp_path, CLASSES.net())
