from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def _fixed_draws() -> Iterator[None]:
    """Every test here draws from the same seed and leaves the global generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(20240617)
        yield
