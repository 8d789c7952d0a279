"""The cases: one factor changed at a time around a base setting, and the teachers."""

from collections.abc import Sequence
from typing import Any

from experiments.cases import Row

BASE, STARTS, NOISE, CLASSES, FASHION = "base", "start and order only", "label noise", "MNIST classes", "Fashion-MNIST classes"
STRENGTH, LR, EPOCHS, STEPS = "strength", "learning rate", "batch size, equal epochs", "batch size, equal steps"
TEACHER = "teacher units"
FIXED, CHOSEN = "fixed", "chosen"


def cases(grid: dict[str, Any]) -> list[Row]:
    """All of them, the base first; `noise` is a fraction of labels or a standard deviation, `strength` fixed or chosen."""
    seeds = grid["seeds"]
    found = [_case(BASE, 0, seed) for seed in grid["base_seeds"]]
    found += [_case(STARTS, 0, seed) for seed in grid["base_seeds"] if seed != 0]
    found += [_case(NOISE, noise, seed, noise) for noise in grid["label_noise"] for seed in seeds]
    found += _levels(CLASSES, grid["classes"], seeds)
    found += _levels(FASHION, grid["fashion_classes"], seeds)
    for factor, name in ((STRENGTH, "strength"), (LR, "lr")):
        found += _levels(factor, grid[name], seeds)
    found += [
        _case(TEACHER, units, seed, noise, strength)
        for strength, levels in ((FIXED, grid["teacher_noise"]), (CHOSEN, grid["chosen_teacher_noise"]))
        for noise in levels
        for units in grid["teacher_units"]
        for seed in seeds
    ]
    for factor in (EPOCHS, STEPS):
        found += _levels(factor, grid["batch_size"], seeds)
    found += [_case(NOISE, noise, seed, noise, CHOSEN) for noise in grid["chosen_label_noise"] for seed in seeds]
    found += _levels(CLASSES, grid["chosen_classes"], seeds, CHOSEN)
    return found + _levels(FASHION, grid["chosen_fashion_classes"], seeds, CHOSEN)


def _levels(factor: str, levels: Sequence[float], seeds: Sequence[int], strength: str = FIXED) -> list[Row]:
    return [_case(factor, level, seed, strength=strength) for level in levels for seed in seeds]


def _case(factor: str, level: float, seed: int, noise: float = 0.0, strength: str = FIXED) -> Row:
    return {"factor": factor, "level": level, "noise": noise, "strength": strength, "seed": seed}
