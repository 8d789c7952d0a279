import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view

from bayes_guided.exceptions import ConfigError
from bayes_guided.nets import lenet5


def convolve(x, weight, bias):
    windows = sliding_window_view(x, (5, 5), axis=(2, 3))
    return np.einsum("nihwab,oiab->nohw", windows, weight) + bias[:, None, None]


def pool(x):
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).max(axis=(3, 5))


def test_number_of_parameters_of_the_literature():
    assert sum(p.numel() for p in lenet5().parameters()) == 431_080


def test_output_is_the_caffe_network_written_in_numpy():
    torch.manual_seed(0)
    net = lenet5(outputs=7).double()
    x = torch.randn(3, 1, 28, 28, dtype=torch.float64)
    w1, b1, w2, b2, w3, b3, w4, b4 = (p.detach().numpy() for p in net.parameters())
    features = pool(convolve(pool(convolve(x.numpy(), w1, b1)), w2, b2)).reshape(3, 800)
    expected = np.maximum(features @ w3.T + b3, 0) @ w4.T + b4
    np.testing.assert_allclose(net(x).detach().numpy(), expected, rtol=1e-10, atol=1e-12)


def test_every_parameter_gets_a_gradient():
    torch.manual_seed(0)
    net = lenet5()
    net(torch.randn(4, 1, 28, 28)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_no_outputs_are_refused():
    with pytest.raises(ConfigError, match="outputs = 0"):
        lenet5(outputs=0)
