"""Small configurations, one per kind of data, that run in about a second."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bayes_guided.config import RunConfig, parse_config

FIT = {"epochs": 2, "batch_size": 32, "refit_epochs": 1, "warmup_steps": 2, "lr": 5e-3}
NET = {"name": "mlp", "settings": {"hidden": [12, 6]}}

Settings = dict[str, Any]
MakeConfig = Callable[..., RunConfig]


def small_settings(data: Settings, **changes: Any) -> Settings:
    """Settings of a run of two epochs on these data."""
    return {"name": "small", "net": NET, "data": data, "prior": {"strength": 0.3}, "fit": FIT, **changes}


@pytest.fixture
def make_config(tmp_path: Path) -> MakeConfig:
    """A checked configuration from `small_settings`, relative to the test's folder."""

    def make(data: Settings | None = None, **changes: Any) -> RunConfig:
        return parse_config(small_settings(data or {"kind": "digits"}, **changes), source="test", folder=tmp_path)

    return make


def write_idx(folder: Path, cases: int = 90) -> Path:
    """Images of 6 x 6 pixels whose brightest row is their label, in MNIST's four files."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for part in ("train", "t10k"):
        labels = np.arange(cases) % 3
        images = rng.integers(0, 60, (cases, 6, 6))
        images[np.arange(cases), labels] += 180
        for name, values in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
            header = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
            with gzip.open(folder / f"{name}.gz", "wb") as file:
                file.write(header + values.astype(np.uint8).tobytes())
    return folder


def table(cases: int = 120) -> np.ndarray:
    """Three features and a target that is linear in them, in units of about 50."""
    features = np.random.default_rng(1).normal(size=(cases, 3))
    return np.column_stack([features, 100 + 50 * features @ np.array([1.0, -1.0, 0.5])])


def write_csv(path: Path) -> Path:
    """The table with a header."""
    np.savetxt(path, table(), delimiter=",", header="a,b,c,y", comments="")
    return path


def write_npz(path: Path) -> Path:
    """The table's features with the sign of its target as label."""
    values = table()
    np.savez(path, x=values[:, :3], y=(values[:, 3] > 100).astype(np.int64))
    return path
