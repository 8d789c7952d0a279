"""A run in a process of its own that dies in the middle; `test_methods.py` starts it."""

from pathlib import Path
from typing import Any

import torch

from bayes_guided.config import parse_config
from bayes_guided.run import run
from tests.infer.resumable import die_at


def start(settings: dict[str, Any], folder: Path, writes: int | None = None) -> None:
    """Does the run, or goes on with it; dies with SIGKILL when its `writes`-th file is in place."""
    torch.set_num_threads(1)
    if writes is not None:
        die_at("in place", writes)
    run(parse_config(settings, source="test", folder=folder.parent), folder, progress=False)
