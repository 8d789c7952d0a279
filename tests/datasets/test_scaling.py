import numpy as np
import pytest
import torch

from bayes_guided.datasets.scaling import column_scales, standardise_images
from bayes_guided.exceptions import DataError


def test_images_use_one_mean_and_deviation_of_the_training_pixels():
    train = torch.tensor([[1.0, 3.0], [5.0, 7.0]])
    new_train, new_test = standardise_images(train, torch.tensor([[4.0, 4.0 + 5.0**0.5]]))
    torch.testing.assert_close(new_train, (train - 4.0) / 5.0**0.5)
    torch.testing.assert_close(new_test, torch.tensor([[0.0, 1.0]]))


def test_equal_training_pixels_are_refused():
    with pytest.raises(DataError, match="every training pixel is 2"):
        standardise_images(torch.full((3, 2), 2.0), torch.rand(1, 2))


def test_columns_have_their_own_scales_and_a_constant_one_has_one():
    # 0.1 is not representable: its computed deviation is rounding noise, which must not become the divisor.
    train = np.column_stack([[0.0, 2.0, 4.0], [0.1, 0.1, 0.1]])
    mean, std = column_scales(train)
    np.testing.assert_allclose(mean, [2.0, 0.1])
    np.testing.assert_allclose(std, [(8 / 3) ** 0.5, 1.0])
