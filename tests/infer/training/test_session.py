"""What every fit starts with."""

import pytest
import torch

from bayes_guided import likelihoods
from bayes_guided.exceptions import ArchitectureMismatchError, CheckpointError, ConfigError
from bayes_guided.infer.map.objectives import MAPObjective
from bayes_guided.infer.training.loop import Plan
from bayes_guided.infer.training.session import Session
from bayes_guided.nets import mlp
from tests.infer.problems import CLASSES, LEARNED_NOISE


def begin(net=None, prior=None, data=None, **changes):
    net = CLASSES.net() if net is None else net
    arguments = {
        "likelihood": None,
        "validation": None,
        "batch_size": 16,
        "seed": 3,
        "device": "cpu",
        "checkpoint": None,
        "checkpoint_steps": 2,
        "checkpoint_seconds": 30.0,
        "progress": False,
        "settings": {"method": "test"},
    }
    return Session.begin(net, prior or CLASSES.prior(net), data or CLASSES.data(), **{**arguments, **changes})


def objective(session):
    return MAPObjective(
        session.net,
        session.prior,
        session.likelihood,
        session.batches,
        session.held_out,
        lr=1e-2,
        warmup_steps=2,
        metric="row",
        allow_empty=False,
    )


def test_the_users_network_and_likelihood_are_copied():
    net, likelihood = LEARNED_NOISE.net(), likelihoods.Normal()
    session = begin(net, LEARNED_NOISE.prior(net), LEARNED_NOISE.data(), likelihood=likelihood)
    session.train(objective(session), Plan(1, 1e-2), label="MAP")
    fresh = LEARNED_NOISE.net()
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), fresh.parameters(), strict=True))
    assert likelihood.log_scale.item() == 0.0
    assert session.likelihood.log_scale.item() != 0.0
    assert session.seconds > 0


def test_a_seed_that_is_left_out_is_drawn_and_recorded():
    with torch.random.fork_rng():
        torch.manual_seed(5)
        first, second = begin(seed=None).seed, begin(seed=None).seed
        torch.manual_seed(5)
        assert begin(seed=None).seed == first
    assert first != second
    with pytest.raises(ConfigError, match="seed=-1"):
        begin(seed=-1)


def test_a_network_of_another_architecture_is_refused():
    with pytest.raises(ArchitectureMismatchError):
        begin(mlp(5, (11, 8), outputs=3), CLASSES.prior(CLASSES.net()))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"settings": {"method": "other"}}, "method is 'test' there, 'other' here"),
        ({"seed": 4}, "seed is 3 there, 4 here"),
        ({"batch_size": 20}, "batch_size is 16 there, 20 here"),
    ],
)
def test_settings_are_the_identity_of_its_checkpoints(tmp_path, changes, named):
    session = begin(checkpoint=tmp_path)
    session.train(objective(session), Plan(1, 1e-2), label="MAP")
    other = begin(checkpoint=tmp_path, **changes)
    with pytest.raises(CheckpointError, match=named):
        other.train(objective(other), Plan(1, 1e-2), label="MAP")


def test_each_phase_has_its_own_plan_and_settings(tmp_path):
    session = begin(checkpoint=tmp_path)
    session.train(objective(session), Plan(1, 1e-2), label="MAP", particles=2)
    with pytest.raises(CheckpointError, match=r"MAP\.epochs is 1 there, 2 here; particles is 2 there, 3 here"):
        session.train(objective(session), Plan(2, 1e-2), label="MAP", particles=3)
    session.train(objective(session), Plan(1, 1e-2), label="again")
    assert {path.name for path in tmp_path.iterdir()} == {"map.safetensors", "again.safetensors"}
