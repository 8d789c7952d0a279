"""One case in a process of its own, so that its peak of memory is its own."""

import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from bayes_guided.datasets import Dataset, load_idx
from bayes_guided.run.metrics import peak_memory_mb
from experiments.cases import Row

from . import pruners, regularisers
from .setting import Candidate, Pair, Setting

METHODS = {
    "dense": pruners.dense,
    "magnitude": pruners.magnitude,
    "group_norm": pruners.group_norm,
    "bn_scale": pruners.bn_scale,
    "group_lasso": regularisers.group_lasso,
    "l0": regularisers.l0,
    "guided": regularisers.guided,
}


def measure(case: Row, settings: dict[str, Any], folder: Path) -> Row:
    """One method on one network at one seed: a point per target, and the memory that training took."""
    plan = settings["networks"][case["network"]]
    parts = _parts(folder / plan["data"], plan["images"], plan["flat"], plan["pool"]).split_validation(
        settings["validation_fraction"], seed=case["seed"]
    )
    names = ("train_x", "train_y", "validation_x", "validation_y", "test_x", "test_y")
    with tempfile.TemporaryDirectory() as scratch:
        save_file({name: getattr(parts, name) for name in names}, Path(scratch) / "parts.safetensors")
        # Forked from a server that has imported and done nothing else: a fork of this process would begin with all it holds.
        clean = get_context("forkserver")
        clean.set_forkserver_preload([__name__])
        with ProcessPoolExecutor(1, mp_context=clean) as fresh:
            return fresh.submit(_measured, case, plan, settings["targets"], Path(scratch) / "parts.safetensors").result()


@lru_cache(maxsize=3)
def _parts(folder: Path, images: int, flat: bool, pool: int) -> Dataset:
    """The first `images` training images and all test images, averaged over squares of `pool` pixels."""
    whole = load_idx(folder, flat=flat)
    train_x, test_x = whole.train_x[:images].clone(), whole.test_x
    if pool > 1:
        train_x, test_x = (torch.nn.functional.avg_pool2d(x, pool) for x in (train_x, test_x))
    return replace(whole, train_x=train_x, train_y=whole.train_y[:images].clone(), test_x=test_x)


def _measured(case: Row, plan: dict[str, Any], targets: list[float], file: Path) -> Row:
    torch.set_num_threads(1)
    parts = {name: part.clone() for name, part in load_file(file).items()}
    part, held_out, test = ((parts[f"{name}_x"], parts[f"{name}_y"]) for name in ("train", "validation", "test"))
    setting = Setting.begin(case["network"], plan, targets, part, case["seed"])
    before = peak_memory_mb()
    method, choices = METHODS[case["method"]], plan["choices"][case["method"]]
    candidates = [_refitted(setting, cut) for choice in choices for cut in method(setting, choice)]
    # Read before anything is evaluated: batches of 1024 would hide what training took.
    memory = peak_memory_mb() - before
    by_target = {each.target: [one for one in candidates if one.target == each.target] for each in candidates}
    return {
        "points": [_point(setting, some, held_out, test) for some in by_target.values()],
        "fits": sum(max(one.fits for one in candidates if one.choice == choice) for choice in choices),
        "memory_mb": round(memory, 1),
        "memory_before_mb": round(before, 1),
        "process_seconds": round(time.process_time(), 2),
    }


def _refitted(setting: Setting, cut: Candidate) -> Candidate:
    started = time.process_time()
    net = setting.refitted(cut.net)
    return replace(cut, net=net, cpu_seconds=cut.cpu_seconds + time.process_time() - started)


def _point(setting: Setting, candidates: list[Candidate], held_out: Pair, test: Pair) -> Row:
    """The candidate of least validation error among those that meet the target, or among all if none does."""
    limit = candidates[0].target * setting.dense_macs
    meeting = [candidate for candidate in candidates if setting.macs(candidate.net) <= limit] or candidates
    validation = {candidate: _error(candidate.net, held_out) for candidate in meeting}
    best = min(meeting, key=validation.__getitem__)
    widths = setting.widths(best.net)
    return {
        "target": best.target,
        "choice": best.choice,
        "strength": best.strength,
        "validation_error": validation[best],
        "error": _error(best.net, test),
        "parameters": setting.architecture.costs.parameters(widths),
        "macs": setting.macs(best.net),
        "share_of_macs": setting.macs(best.net) / setting.dense_macs,
        "widths": list(widths.values()),
        "cpu_seconds": round(best.cpu_seconds, 2),
    }


def _error(net: torch.nn.Module, data: Pair) -> float:
    """The fraction misclassified."""
    with torch.no_grad():
        wrong = sum(int((net(x).argmax(1) != y).sum()) for x, y in zip(data[0].split(1000), data[1].split(1000), strict=True))
    return wrong / len(data[1])
