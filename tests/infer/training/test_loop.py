"""The training loop: schedules and ramps, averages, the bar, and divergence before anything bad is kept."""

import math

import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn

from bayes_guided.exceptions import CheckpointError, ConfigError, DivergedError
from bayes_guided.files import load_tree
from bayes_guided.infer.training.batches import as_batches
from bayes_guided.infer.training.checkpoint import Checkpoints
from bayes_guided.infer.training.history import Epoch
from bayes_guided.infer.training.loop import BatchLoss, Objective, Plan, train
from tests.infer.problems import same_bits

CPU = torch.device("cpu")


class BadGradient(torch.autograd.Function):
    """The identity, with a gradient of NaN."""

    @staticmethod
    def forward(ctx, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx, *gradients: Tensor) -> Tensor:
        return gradients[0] * float("nan")


class Quadratic(Objective):
    """Least squares of one weight vector, each batch's mean a record; goes bad at a given step."""

    def __init__(self, *, bad_loss: int | None = None, bad_gradient: int | None = None) -> None:
        self.module = nn.Linear(2, 1, bias=False)
        with torch.no_grad():
            self.module.weight.copy_(torch.tensor([[1.0, -1.0]]))
        self.optimizer = torch.optim.SGD(self.module.parameters(), lr=0.1)
        self.bad_loss, self.bad_gradient = bad_loss, bad_gradient
        self.steps = 0
        self.rates: list[float] = []
        self.seen: list[list[int]] = []

    def batch_loss(self, inputs: Float[Tensor, "batch features"], targets: Tensor) -> BatchLoss:
        self.steps += 1
        self.rates.append(self.optimizer.param_groups[0]["lr"])
        self.seen.append(targets.int().tolist())
        loss = self.module(inputs).square().mean()
        loss = loss * float("nan") if self.steps == self.bad_loss else loss
        loss = BadGradient.apply(loss) if self.steps == self.bad_gradient else loss
        return BatchLoss(loss, nll=targets.double().mean(), error=inputs[:, 0].mean())

    def end_epoch(self, nll: float, error: float) -> Epoch:
        return Epoch(loss=0.0, nll=nll, error=error, widths={})


def data() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(7, 2, generator=generator), torch.arange(7.0)


def run(objective: Objective, plan: Plan, **settings):
    return train(objective, as_batches(data(), 3, CPU), plan, seed=1, label="test", **settings)


def in_folder(folder, steps: int = 1):
    return Checkpoints(folder, {"name": "a test"}, steps=steps, seconds=1e9).phase("Test")


# Plans ------------------------------


def settings_of(plan: Plan, per_epoch: int) -> list[tuple[float, float]]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    optimizer.param_groups[0]["strength_scale"] = 1.0
    found = []
    for step in range(plan.epochs * per_epoch):
        plan.apply(optimizer, step, per_epoch)
        found.append((optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["strength_scale"]))
    return found


def test_the_cosine_schedule_is_torchs():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=15)
    for rate, strength in settings_of(Plan(epochs=3, lr=0.3), 5):
        assert rate == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
        assert strength == 1.0
        optimizer.step()
        scheduler.step()


def test_a_constant_schedule_and_a_ramp_that_rises_step_by_step_to_one():
    found = settings_of(Plan(epochs=3, lr=0.3, schedule="constant", ramp_epochs=1.5), 4)
    assert {rate for rate, _ in found} == {0.3}
    assert [strength for _, strength in found] == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6] + [1.0] * 7)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "epochs=0"),
        ({"lr": 0.0}, "lr=0.0"),
        ({"lr": math.nan}, "lr=nan"),
        ({"lr": math.inf}, "lr=inf"),
        ({"ramp_epochs": -1.0}, "ramp_epochs=-1.0"),
        ({"ramp_epochs": 2.5}, "ramp_epochs=2.5"),
        ({"ramp_epochs": math.nan}, "ramp_epochs=nan"),
    ],
)
def test_plans_out_of_range_are_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        Plan(**{"epochs": 2, "lr": 0.1, **settings})


# The loop ------------------------------


def test_every_case_counts_once_in_the_averages_and_the_schedule_is_applied():
    objective = Quadratic()
    history = run(objective, Plan(epochs=2, lr=0.1))
    inputs, targets = data()
    for epoch in history.epochs:
        assert epoch.nll == pytest.approx(float(targets.mean()))
        assert epoch.error == pytest.approx(float(inputs[:, 0].mean()), abs=1e-7)
    assert objective.rates == pytest.approx([rate for rate, _ in settings_of(Plan(epochs=2, lr=0.1), 3)])
    assert sorted(case for batch in objective.seen[:3] for case in batch) == list(range(7))
    assert objective.seen[:3] != objective.seen[3:]


def test_the_loop_works_without_grad_mode_and_leaves_it_off():
    objective = Quadratic()
    with torch.no_grad():
        run(objective, Plan(epochs=1, lr=0.1))
        assert not torch.is_grad_enabled()
    assert not torch.equal(objective.module.get_parameter("weight"), torch.tensor([[1.0, -1.0]]))


@pytest.mark.parametrize("bad", [{"bad_loss": 5}, {"bad_gradient": 4}])
def test_divergence_is_named_and_the_last_good_checkpoint_stays(tmp_path, bad):
    healthy = Quadratic()
    run(healthy, Plan(epochs=3, lr=0.1))
    with pytest.raises(DivergedError, match=r"in epoch 2, batch \d; lower the learning rate"):
        run(Quadratic(**bad), Plan(epochs=3, lr=0.1), checkpoint=in_folder(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["test.safetensors"]
    tree = load_tree(tmp_path / "test.safetensors", kind="checkpoint")
    good = 4 if "bad_loss" in bad else 3
    assert 3 * tree["position"]["epoch"] + tree["position"]["batch"] == good
    assert torch.isfinite(tree["module"]["weight"]).all()
    resumed = Quadratic()
    run(resumed, Plan(epochs=3, lr=0.1), checkpoint=in_folder(tmp_path))
    assert resumed.steps == 9 - good
    assert same_bits(resumed.module, healthy.module)


def test_weights_that_go_bad_at_the_last_step_are_no_result():
    with pytest.raises(DivergedError, match="'weight' is NaN or infinite in epoch 2, batch 3"):
        run(Quadratic(bad_gradient=6), Plan(epochs=2, lr=0.1))


def test_a_finished_run_is_read_and_not_written_again(tmp_path):
    first = Quadratic()
    history = run(first, Plan(epochs=2, lr=0.1), checkpoint=in_folder(tmp_path, steps=100))
    written = (tmp_path / "test.safetensors").stat().st_mtime_ns
    second = Quadratic()
    assert run(second, Plan(epochs=2, lr=0.1), checkpoint=in_folder(tmp_path, steps=100)) == history
    assert second.steps == 0
    assert same_bits(first.module, second.module)
    assert (tmp_path / "test.safetensors").stat().st_mtime_ns == written


def test_extra_state_that_cannot_be_saved_is_named(tmp_path):
    class Keeper(nn.Linear):
        def get_extra_state(self):
            return {1, 2}

        def set_extra_state(self, state):
            raise AssertionError(state)

    objective = Quadratic()
    objective.module = Keeper(2, 1)
    with pytest.raises(CheckpointError, match="cannot hold this checkpoint"):
        run(objective, Plan(epochs=1, lr=0.1), checkpoint=in_folder(tmp_path))
    assert list(tmp_path.iterdir()) == []


# The bar ------------------------------


def test_the_bar_is_silent_where_there_is_no_terminal_and_shown_on_request(capsys, monkeypatch):
    run(Quadratic(), Plan(epochs=1, lr=0.1))
    assert capsys.readouterr() == ("", "")
    run(Quadratic(), Plan(epochs=2, lr=0.1), progress=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "test" in shown.err
    assert "6/6" in shown.err
    assert "loss=0.0000" in shown.err
    assert "error=" in shown.err
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    run(Quadratic(), Plan(epochs=1, lr=0.1), progress=False)
    assert capsys.readouterr() == ("", "")
    run(Quadratic(), Plan(epochs=1, lr=0.1))
    assert "test" in capsys.readouterr().err
