"""What holds for every test: shapes are checked at run time, one thread, no window, no global setting left changed."""

import sys
from collections.abc import Iterator

import pytest
from jaxtyping import install_import_hook

import tests.typechecker  # noqa: F401  (the hook below names it)

# Before any import of the package: a module that is imported already is never checked, and nothing would say so.
if any(name.split(".")[0] == "bayes_guided" for name in sys.modules):
    raise pytest.UsageError("bayes_guided was imported before tests/conftest.py, so its shapes would not be checked.")
install_import_hook("bayes_guided", "tests.typechecker.checked")

import matplotlib as mpl  # noqa: E402
import torch  # noqa: E402

from tests.global_state import capture, changes, restore  # noqa: E402

mpl.use("agg")
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _global_state_unchanged() -> Iterator[None]:
    """Fails a test that leaves a global setting changed, and puts the setting back."""
    before = capture()
    yield
    after = capture()
    restore(before)
    if lines := changes(before, after):
        pytest.fail("the test left global state changed: " + "; ".join(lines), pytrace=False)
