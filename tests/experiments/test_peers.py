"""The comparison with other pruners: the size search, cuts at the target, one counter, and what README.md says."""

import copy
import math
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
import torch
import torch_pruning as tp
from torch import nn

import bayes_guided as bg
from experiments.peers.case import METHODS
from experiments.peers.figure import draw
from experiments.peers.pruners import TargetMissedError, prune
from experiments.peers.run import STUDY
from experiments.peers.search import NothingLeftError, SizeSearch
from experiments.peers.setting import Setting
from experiments.peers.tables import paired, points

SHARED = Path(__file__).parents[3] / "shared" / "data"
NEAREST = {"nearest": 0.85, "fits": 6}
SHAPES = {"lenet300": (784,), "mlp": (784,), "lenet5": (1, 28, 28), "resnet20": (1, 14, 14)}
MLP = {"inputs": 784, "hidden": [24, 12], "outputs": 10}


def plan(**changes: Any) -> dict[str, Any]:
    """A budget of a few steps."""
    epochs = {"dense_epochs": 1, "sparse_epochs": 1, "refit_epochs": 1}
    return {"net": {}, "batch_size": 32, "lr": 2e-3, "search": {"nearest": 0.5, "fits": 3}, **epochs, **changes}


def setting(network: str, targets: tuple[float, ...] = (0.5, 0.3), **changes: Any) -> Setting:
    """Ten classes around centres of their own."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(64) % 10
    centres = torch.randn(10, *SHAPES[network], generator=generator)
    x = centres[y] + 0.3 * torch.randn(64, *SHAPES[network], generator=generator)
    return Setting.begin(network, plan(**changes), list(targets), (x, y), seed=0)


# The search ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("power", [0.6, 1.0, 2.5])
def test_the_search_ends_at_or_just_below_the_target(power: float) -> None:
    search = SizeSearch(lambda strength: min(1.0, strength**-power), NEAREST)
    for target in (0.25, 0.1):
        assert 0.85 * target <= search.strength(target, 1.3) ** -power <= target


def test_the_search_comes_back_from_strengths_that_lose_a_layer() -> None:
    search = SizeSearch(lambda strength: None if strength > 5 else 1 / strength, NEAREST)
    assert 0.85 * 0.25 <= 1 / search.strength(0.25, 20.0) <= 0.25


def test_what_is_known_serves_the_next_target_without_a_fit() -> None:
    search = SizeSearch(lambda strength: 1 / strength, NEAREST)
    search.strength(0.25, 4.1)
    assert search.fits == 1
    assert search.strength(0.26, 1.0) == 4.1
    assert search.fits == 1


def test_a_search_that_never_gets_below_hands_over_the_nearest() -> None:
    search = SizeSearch(lambda strength: 0.5 + 0.1 / strength, NEAREST)
    nearest = search.strength(0.25, 1.0)
    assert search.fits == NEAREST["fits"]
    assert nearest > 1.0
    with pytest.raises(NothingLeftError, match="lost a layer"):
        SizeSearch(lambda strength: None, NEAREST).strength(0.25, 1.0)


# The methods ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", ["lenet300", "lenet5", "resnet20"])
def test_pruners_stop_at_the_target_keep_units_and_the_output_layer(network: str) -> None:
    case = setting(network, net={"in_channels": 1} if network == "resnet20" else {})
    net = copy.deepcopy(case.net)
    pruner = tp.pruner.MagnitudePruner(
        net,
        case.part[0][:2],
        importance=tp.importance.GroupMagnitudeImportance(p=2),
        global_pruning=True,
        pruning_ratio=1.0,
        iterative_steps=100,
        ignored_layers=[net.get_submodule(layer.name) for layer in case.architecture.protected],
    )
    prune(net, pruner, case, 0.1)
    counted = case.architecture_of(net).full()
    assert 0 < case.macs(net) == counted.macs <= 0.1 * case.dense_macs
    assert case.architecture.costs.parameters(case.widths(net)) == sum(weights.numel() for weights in net.parameters())
    assert min(case.widths(net).values()) >= 1
    assert net(case.part[0]).shape == (64, 10)
    with pytest.raises(TargetMissedError, match=r"wanted 0\.0 of the dense"):
        prune(net, pruner, case, 0.0)


def test_macs_are_those_of_a_count_by_hooks() -> None:
    case = setting("resnet20", net={"in_channels": 1})
    total = 0

    def count(layer: Any, _: Any, output: torch.Tensor) -> None:
        nonlocal total
        total += layer.weight.numel() * (math.prod(output.shape[2:]) if output.dim() == 4 else 1)

    hooks = [layer.register_forward_hook(count) for layer in case.net.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    case.net.eval()(case.part[0][:1])
    for hook in hooks:
        hook.remove()
    assert case.dense_macs == total


CHOICES = {
    "dense": "all",
    "magnitude": "uniform",
    "group_norm": "5e-4",
    "group_lasso": "2e-2",
    "l0": "2e-2",
    "guided": "linear, cost",
}


@pytest.mark.parametrize("method", CHOICES)
def test_every_method_hands_over_networks_of_the_wanted_size(method: str) -> None:
    choice = CHOICES[method]
    budget = {"batch_size": 8, "lr": 2e-2, "dense_epochs": 6, "sparse_epochs": 10}
    search = {
        "strengths": {method: {choice: [2.0, 6.0] if method == "l0" else [0.1, 0.2]}},
        "search": {"nearest": 0.5, "fits": 6},
    }
    case = setting("mlp", net=MLP, **budget, **search)
    cuts = list(METHODS[method](case, choice))
    assert [cut.target for cut in cuts] == ([1.0] if method == "dense" else [0.5, 0.3])
    for cut in cuts:
        assert cut.cpu_seconds > 0
        refitted = case.refitted(cut.net)
        assert case.architecture_of(refitted).full().macs == case.macs(cut.net) <= cut.target * case.dense_macs
        assert not any(torch.equal(a, b) for a, b in zip(refitted.parameters(), cut.net.parameters(), strict=True))


def test_a_regulariser_acts_on_every_step() -> None:
    case = setting("mlp", net=MLP)
    plain = case.trained(copy.deepcopy(case.net), 5, seed=1)
    calls = []

    def pull(net: nn.Module) -> None:
        calls.append(net)
        for weights in net.parameters():
            assert weights.grad is not None
            weights.grad.add_(weights.detach(), alpha=1e3)

    pulled = case.trained(copy.deepcopy(case.net), 5, seed=1, regularise=pull)
    assert len(calls) == 5 * 2
    norms = [sum(float(weights.detach().square().sum()) for weights in net.parameters()) for net in (plain, pulled)]
    assert norms[1] < 0.9 * norms[0]


def test_bn_scale_pruner_presses_on_the_scales() -> None:
    case = setting("resnet20", targets=(0.99,), net={"in_channels": 1}, sparse_epochs=20, lr=2e-2)
    free, pressed = (_scale(next(METHODS["bn_scale"](case, reg)).net) for reg in ("0.0", "10.0"))
    assert pressed < 0.95 * free


def _scale(net: nn.Module) -> float:
    return (
        torch.cat([layer.weight.detach() for layer in net.modules() if isinstance(layer, nn.BatchNorm2d)]).abs().mean().item()
    )


# The study -----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared data folder")
def test_the_quick_form_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert STUDY.main(["--quick", "--data-dir", str(SHARED)]) == 0
    printed = capsys.readouterr().out
    assert "guided MAP (this toolkit)" in printed
    assert "magnitude (torch-pruning)" in printed


def test_points_are_paired_by_seed_and_drawn(tmp_path: Path) -> None:
    def row(seed: int, method: str, error: float) -> dict[str, Any]:
        point = {"target": 0.1, "error": error, "share_of_macs": 0.09}
        return {"seed": seed, "network": "lenet5", "method": method, "points": [point]}

    rows = [row(0, "guided", 0.02), row(1, "guided", 0.03), row(1, "l0", 0.05), row(2, "l0", 0.01)]
    assert paired(rows, "lenet5", "l0", 0.1) == [pytest.approx(-0.02)]
    assert points(rows, "lenet5", "l0", 0.1).keys() == {1, 2}
    draw(rows, tmp_path)
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_stored_errors_and_sizes_hang_together() -> None:
    for row in STUDY.load():
        architecture = _architecture(row["network"])
        names = [group.name for group in architecture.groups]
        for point in row["points"]:
            widths = dict(zip(names, point["widths"], strict=True))
            assert point["macs"] == architecture.costs.macs(widths)
            assert point["parameters"] == architecture.costs.parameters(widths)
            assert point["share_of_macs"] == pytest.approx(point["macs"] / architecture.full().macs)
            assert 0 < point["error"] < 0.9


# What README.md says ------------------------------------------------------------------------------------------

TARGETS = (0.25, 0.10)
OTHERS = ("magnitude", "group_norm", "bn_scale", "group_lasso", "l0")


def average(network: str, method: str, target: float, what: str = "error") -> float | None:
    """Over the seeds that are stored; None where the method is not applicable."""
    found = points(STUDY.load(), network, method, target).values()
    return mean(point[what] for point in found) if found else None


def better(network: str, method: str, target: float) -> int:
    """Seeds, of three, at which the guided MAP has the smaller error."""
    differences = paired(STUDY.load(), network, method, target)
    assert len(differences) == 3
    return sum(difference < 0 for difference in differences)


def ranked(network: str, target: float) -> list[str]:
    """The methods by mean error, least first."""
    errors = {method: average(network, method, target) for method in (*OTHERS, "guided")}
    return sorted((method for method, error in errors.items() if error is not None), key=lambda name: errors[name] or 0.0)


@pytest.mark.parametrize(("target", "behind"), [(0.25, 0.004), (0.10, 0.006)])
def test_torch_pruning_wins_on_lenet300(target: float, behind: float) -> None:
    assert ranked("lenet300", target)[:2] == ["group_norm", "magnitude"]
    differences = paired(STUDY.load(), "lenet300", "group_norm", target)
    assert min(differences) > 0
    assert mean(differences) == pytest.approx(behind, abs=0.0005)
    assert better("lenet300", "group_lasso", target) == 1


def test_the_guided_map_is_best_on_lenet5_at_a_tenth_and_level_at_a_quarter() -> None:
    assert ranked("lenet5", 0.1)[0] == ranked("lenet5", 0.25)[0] == "guided"
    assert [better("lenet5", method, 0.1) for method in ("magnitude", "group_norm", "group_lasso", "l0")] == [3, 3, 3, 3]
    assert [better("lenet5", method, 0.25) for method in ("magnitude", "group_norm")] == [2, 2]
    assert (average("lenet5", "guided", 0.25, "macs") or 0) < (average("lenet5", "magnitude", 0.25, "macs") or 0)


def test_resnet_is_torch_prunings_at_a_quarter_and_the_guided_maps_at_a_tenth() -> None:
    assert ranked("resnet20", 0.25)[:3] == ["bn_scale", "magnitude", "guided"]
    differences = paired(STUDY.load(), "resnet20", "bn_scale", 0.25)
    assert mean(differences) == pytest.approx(0.006, abs=0.0005)
    assert max(differences) > 0.02
    assert better("resnet20", "bn_scale", 0.25) == 2
    assert ranked("resnet20", 0.1)[0] == "guided"
    assert [better("resnet20", method, 0.1) for method in ("bn_scale", "group_norm", "magnitude")] == [3, 3, 2]
    failed = [point["error"] > 0.4 for point in points(STUDY.load(), "resnet20", "group_norm", 0.1).values()]
    assert sum(failed) == 2


def test_l0_is_behind_the_guided_map_but_at_one_seed() -> None:
    counts = {(network, target): better(network, "l0", target) for network in SHAPES if network != "mlp" for target in TARGETS}
    assert counts.pop(("lenet300", 0.1)) == 2
    assert set(counts.values()) == {3}


def test_only_the_unguided_group_lasso_misses_targets() -> None:
    missed = [
        (row["network"], row["method"], point["target"])
        for row in STUDY.load()
        for point in row["points"]
        if point["share_of_macs"] > point["target"]
    ]
    expected = {("lenet5", "group_lasso", 0.1), ("resnet20", "group_lasso", 0.25), ("resnet20", "group_lasso", 0.1)}
    assert set(missed) == expected
    assert len(missed) == 9
    assert all(point["error"] > 0.6 for point in points(STUDY.load(), "resnet20", "group_lasso", 0.25).values())
    assert all(point["widths"][0] >= 18 for point in points(STUDY.load(), "lenet5", "group_lasso", 0.1).values())


def test_costs_are_as_said() -> None:
    rows = STUDY.load()
    for network, times in {"lenet5": 3, "resnet20": 2}.items():
        memory = {
            method: mean(row["memory_mb"] for row in rows if (row["network"], row["method"]) == (network, method))
            for method in ("l0", "guided", "magnitude")
        }
        assert memory["l0"] > times * memory["magnitude"]
        assert memory["l0"] > times * memory["guided"]
    for network, slack in {"lenet300": 1.05, "lenet5": 1.0, "resnet20": 1.0}.items():
        for target in TARGETS:
            others = [average(network, method, target, "cpu_seconds") for method in ("magnitude", "group_norm", "bn_scale")]
            assert (average(network, "guided", target, "cpu_seconds") or 0) < slack * min(filter(None, others))


@cache
def _architecture(network: str) -> bg.Architecture:
    settings, _ = STUDY.config(quick=False)
    net = bg.nets.build(network, **settings["networks"][network]["net"])
    return bg.Architecture.from_module(net, torch.randn(2, *SHAPES[network]))
