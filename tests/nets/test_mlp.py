import pytest
import torch

from bayes_guided.exceptions import ConfigError
from bayes_guided.nets import mlp


def test_output_is_the_affine_maps_with_the_activation_between_but_not_after():
    torch.manual_seed(0)
    net = mlp(6, (5, 4), outputs=3, activation="tanh")
    x = torch.randn(7, 2, 3)
    (w1, b1, w2, b2, w3, b3) = net.parameters()
    h = torch.tanh(x.reshape(7, 6) @ w1.T + b1)
    torch.testing.assert_close(net(x), torch.tanh(h @ w2.T + b2) @ w3.T + b3)


@pytest.mark.parametrize(
    ("activation", "function"),
    [
        ("relu", lambda v: v.clamp(min=0)),
        ("tanh", torch.tanh),
        ("sigmoid", lambda v: 1 / (1 + torch.exp(-v))),
        ("gelu", lambda v: v * 0.5 * (1 + torch.erf(v / 2**0.5))),
        ("silu", lambda v: v / (1 + torch.exp(-v))),
    ],
)
def test_each_activation_is_the_named_function(activation, function):
    torch.manual_seed(1)
    net = mlp(4, (3,), outputs=2, activation=activation)
    x = torch.randn(5, 4)
    w1, b1, w2, b2 = net.parameters()
    torch.testing.assert_close(net(x), function(x @ w1.T + b1) @ w2.T + b2)


def test_default_widths_and_number_of_parameters():
    net = mlp(64, outputs=10)
    assert sum(p.numel() for p in net.parameters()) == 64 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10


def test_without_hidden_layers_it_is_linear():
    net = mlp(3, (), outputs=2)
    assert [tuple(p.shape) for p in net.parameters()] == [(2, 3), (2,)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"inputs": 0, "outputs": 2}, "inputs = 0"),
        ({"inputs": 3, "outputs": -1}, "outputs = -1"),
        ({"inputs": 3, "outputs": 2, "hidden": (4, 0)}, r"hidden\[1\] = 0"),
        ({"inputs": 3, "outputs": 2, "activation": "rleu"}, "rleu.*relu, tanh"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        mlp(**settings)
