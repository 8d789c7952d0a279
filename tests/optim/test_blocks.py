import pytest
import torch
from torch import nn

from bayes_guided.optim.blocks import ParameterBlock, PenalisedBlock

WHOLE = torch.arange(4)[:, None]
PART = torch.tensor([[5, 1], [0, 3]])

CASES = {
    "matrix": ((4, 3), 0, WHOLE),
    "columns of a matrix": ((3, 4), 1, WHOLE),
    "vector": ((4,), 0, WHOLE),
    "filter": ((4, 2, 3, 3), 0, WHOLE),
    "transposed filter": ((2, 4, 3, 3), 1, WHOLE),
    "some rows, two a unit": ((6, 3), 0, PART),
    "some entries of a vector": ((6,), 0, PART),
    "some channels of a transposed filter": ((2, 6, 3), 1, PART),
    "another order": ((4, 3), 0, torch.tensor([[3], [0], [1], [2]])),
}


def expected_rows(tensor: torch.Tensor, axis: int, index: torch.Tensor) -> torch.Tensor:
    """One unit's weights after another, by plain selection."""
    return torch.stack([torch.cat([tensor.select(axis, int(i)).flatten() for i in unit]) for unit in index])


@pytest.mark.parametrize("name", CASES)
def test_reading_and_writing(name):
    shape, axis, index = CASES[name]
    parameter = nn.Parameter(torch.randn(shape))
    block = ParameterBlock(parameter, axis, index)
    rows = expected_rows(parameter.detach(), axis, index)
    assert block.units == len(index)
    assert block.weights_per_unit == rows.shape[1]
    with torch.no_grad():
        torch.testing.assert_close(block.matrix(parameter), rows, rtol=0, atol=0)
        torch.testing.assert_close(block.squared_norms(block.read(parameter)), rows.square().sum(dim=1))
        before = parameter.clone()
        values = block.read(parameter).mul_(block.column(torch.arange(1.0, 1 + len(index))))
        block.write(parameter, values)
        factors = torch.arange(1.0, 1 + len(index))[:, None]
        torch.testing.assert_close(expected_rows(parameter, axis, index), factors * rows, rtol=0, atol=0)
        touched = torch.zeros(shape).index_fill_(axis, index.flatten(), 1.0).bool()
        assert torch.equal(parameter[~touched], before[~touched])
        block.write_matrix(parameter, rows + 1)
        torch.testing.assert_close(expected_rows(parameter, axis, index), rows + 1, rtol=0, atol=0)
        assert torch.equal(parameter[~touched], before[~touched])


@pytest.mark.parametrize("name", CASES)
def test_the_gradient_of_the_block(name):
    shape, axis, index = CASES[name]
    parameter = nn.Parameter(torch.randn(shape))
    block = PenalisedBlock(ParameterBlock(parameter, axis, index), guided=True)
    with pytest.raises(RuntimeError):
        block.block.gradient()
    parameter.grad = torch.randn(shape)
    found = block.block.gradient().reshape(len(index), -1)
    torch.testing.assert_close(found, expected_rows(parameter.grad, axis, index), rtol=0, atol=0)
    assert block.parameter is parameter


def test_whole_parameters_are_seen_and_not_copied():
    parameter = nn.Parameter(torch.randn(4, 3))
    seen = ParameterBlock(parameter, 0, WHOLE).read(parameter)
    assert seen.data_ptr() == parameter.data_ptr()
