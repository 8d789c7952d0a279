"""What README.md shows of the rows: means over seeds with their range, and differences paired by seed."""

from statistics import mean
from typing import Any

from experiments.cases import Row
from experiments.spread import spread

NAMES = {
    "dense": "dense, not cut",
    "magnitude": "magnitude (torch-pruning)",
    "group_norm": "GroupNormPruner (torch-pruning)",
    "bn_scale": "BNScalePruner (torch-pruning)",
    "group_lasso": "group lasso by prox, unguided",
    "l0": "L0 hard concrete, unguided",
    "guided": "guided MAP (this toolkit)",
}
NETWORKS = {
    "lenet300": "LeNet-300-100, MNIST",
    "lenet5": "LeNet-5, MNIST",
    "resnet20": "ResNet-20, Fashion-MNIST at 14 x 14",
}


def tables(rows: list[Row]) -> dict[str, str]:
    """Markdown by the names of the markers."""
    return {"results": _results(rows), "differences": _differences(rows), "costs": _costs(rows)}


def points(rows: list[Row], network: str, method: str, target: float) -> dict[int, dict[str, Any]]:
    """What the method measured at the target, by seed."""
    return {
        row["seed"]: point
        for row in rows
        if (row["network"], row["method"]) == (network, method)
        for point in row["points"]
        if point["target"] == target
    }


def paired(rows: list[Row], network: str, method: str, target: float) -> list[float]:
    """Test error of the guided MAP less that of the method, fractions, for every seed that both have."""
    ours, theirs = points(rows, network, "guided", target), points(rows, network, method, target)
    return [ours[seed]["error"] - theirs[seed]["error"] for seed in sorted(ours.keys() & theirs.keys())]


def targets(rows: list[Row], network: str) -> list[float]:
    """The targets of a network, largest first: that of the dense network is 1."""
    found = {point["target"] for row in rows if row["network"] == network for point in row["points"]}
    return sorted(found, reverse=True)


def _methods(rows: list[Row], network: str) -> list[str]:
    found = {row["method"] for row in rows if row["network"] == network}
    return [method for method in NAMES if method in found]


def _networks(rows: list[Row]) -> list[str]:
    found = {row["network"] for row in rows}
    return [network for network in NETWORKS if network in found]


def _results(rows: list[Row]) -> str:
    lines = [
        "| network | target, MACs | method | seeds | test error | MACs of the dense | parameters |",
        "|---|---|---|---|---|---|---|",
    ]
    for network in _networks(rows):
        for target in targets(rows, network):
            for method in _methods(rows, network):
                if not (found := list(points(rows, network, method, target).values())):
                    continue
                wanted = "dense" if target == 1 else f"{target:.0%}"
                error = spread([point["error"] for point in found], ".2%")
                share = spread([point["share_of_macs"] for point in found], ".1%")
                parameters = f"{mean(point['parameters'] for point in found):,.0f}"
                lines.append(
                    f"| {NETWORKS[network]} | {wanted} | {NAMES[method]} | {len(found)} | {error} | {share} | {parameters} |"
                )
    return "\n".join(lines)


def _differences(rows: list[Row]) -> str:
    lines = [
        "| network | target, MACs | guided MAP less | test error, percentage points | MACs, % of the dense | seeds better |",
        "|---|---|---|---|---|---|",
    ]
    for network in _networks(rows):
        for target in targets(rows, network):
            for method in _methods(rows, network):
                if method in ("guided", "dense") or not (differences := paired(rows, network, method, target)):
                    continue
                ours, theirs = points(rows, network, "guided", target), points(rows, network, method, target)
                share = mean(
                    ours[seed]["share_of_macs"] - theirs[seed]["share_of_macs"] for seed in ours.keys() & theirs.keys()
                )
                better = f"{sum(difference < 0 for difference in differences)} of {len(differences)}"
                error = spread([100 * difference for difference in differences], "+.2f")
                lines.append(
                    f"| {NETWORKS[network]} | {target:.0%} | {NAMES[method]} | {error} | {100 * share:+.1f} | {better} |"
                )
    return "\n".join(lines)


def _costs(rows: list[Row]) -> str:
    lines = [
        "| network | method | CPU s of a network, by target | trainings a seed | CPU seconds a seed | memory, MiB |",
        "|---|---|---|---|---|---|",
    ]
    for network in _networks(rows):
        for method in _methods(rows, network):
            some = [row for row in rows if (row["network"], row["method"]) == (network, method)]
            each = [
                f"{mean(point['cpu_seconds'] for point in points(rows, network, method, target).values()):.0f}"
                for target in targets(some, network)
            ]
            fits, seconds = mean(row["fits"] for row in some), mean(row["process_seconds"] for row in some)
            memory = spread([row["memory_mb"] for row in some], ".0f")
            lines.append(
                f"| {NETWORKS[network]} | {NAMES[method]} | {' and '.join(each)} | {fits:.1f} | {seconds:.0f} | {memory} |"
            )
    return "\n".join(lines)
