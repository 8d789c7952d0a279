import pytest
import torch

from bayes_guided.datasets import check_data
from bayes_guided.exceptions import DataError


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (torch.zeros(3, 2), torch.zeros(3)),
        (torch.zeros(1, 1, 8, 8, dtype=torch.float64), torch.tensor([4])),
        (torch.zeros(3, 2, dtype=torch.uint8), torch.zeros(3, 2)),
    ],
)
def test_good_data_pass(x, y):
    check_data(x, y)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (torch.zeros(0, 2), torch.zeros(0), "empty"),
        (torch.zeros(3, 0), torch.zeros(3), "empty"),
        (torch.zeros(3, 2), torch.zeros(4), "x has 3 rows and y has 4"),
        (torch.tensor(1.0), torch.zeros(1), "first dimension"),
        (torch.zeros(1), torch.tensor(1.0), "first dimension"),
    ],
)
def test_wrong_shapes_are_refused(x, y, message):
    with pytest.raises(DataError, match=f"mine: .*{message}"):
        check_data(x, y, "mine")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("which", ["x", "y"])
def test_the_first_row_that_is_not_finite_is_named(bad, which):
    data = {"x": torch.zeros(9, 2, 3), "y": torch.zeros(9, 1)}
    for row in (7, 4):
        data[which][row, -1] = bad
    with pytest.raises(DataError, match=f"{which} is NaN or infinite in row 4 "):
        check_data(data["x"], data["y"])
