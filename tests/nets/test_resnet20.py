import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from bayes_guided.exceptions import ConfigError
from bayes_guided.nets import resnet20


def count(in_channels: int, outputs: int) -> int:
    """Parameters from the paper's table: 3 x 3 convolutions, two per norm channel, projections, linear layer."""
    convolutions = 9 * (in_channels * 16 + 6 * 16 * 16 + 16 * 32 + 5 * 32 * 32 + 32 * 64 + 5 * 64 * 64)
    norms = 2 * (7 * 16 + 6 * 32 + 6 * 64)
    projections = 16 * 32 + 32 * 64 + 2 * (32 + 64)
    return convolutions + norms + projections + 64 * outputs + outputs


@pytest.mark.parametrize(("in_channels", "outputs"), [(3, 10), (1, 4)])
def test_number_of_parameters(in_channels, outputs):
    net = resnet20(in_channels, outputs)
    assert sum(p.numel() for p in net.parameters()) == count(in_channels, outputs)
    # The zero-padded variant has 269,722 in the literature; the two projections with their norms make the difference.
    assert count(3, 10) == 269_722 + 576 + 2_176


def test_twenty_weighted_layers_and_two_projections():
    net = resnet20()
    convolutions = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert sum(c.kernel_size == (3, 3) for c in convolutions) + 1 == 20
    assert [c.weight.shape[:2] for c in convolutions if c.kernel_size == (1, 1)] == [(32, 16), (64, 32)]


@pytest.mark.parametrize(("size", "final"), [(32, 8), (28, 7), (8, 2), (5, 2)])
def test_any_image_size_passes_at_a_quarter_of_the_resolution(size, final):
    net = resnet20(in_channels=1, outputs=6).eval()
    seen = []
    net.blocks[-1].register_forward_hook(lambda _module, _inputs, output: seen.append(output.shape))
    assert net(torch.zeros(2, 1, size, size)).shape == (2, 6)
    assert seen == [(2, 64, final, final)]


def test_output_is_the_paper_s_network_written_with_functions():
    torch.manual_seed(0)
    net = resnet20().double().eval()
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(0.2 * torch.randn_like(p))
    x = torch.randn(2, 3, 12, 12, dtype=torch.float64)
    parameters = iter(net.parameters())

    def conv_norm(h, stride, padding):
        h = F.conv2d(h, next(parameters), stride=stride, padding=padding)
        scale, shift = next(parameters), next(parameters)
        # Fresh running statistics: mean 0, variance 1.
        return h / (1 + 1e-5) ** 0.5 * scale[:, None, None] + shift[:, None, None]

    h = conv_norm(x, 1, 1).relu()
    for stride in (1, 1, 1, 2, 1, 1, 2, 1, 1):
        residual = conv_norm(conv_norm(h, stride, 1).relu(), 1, 1)
        h = (residual + (conv_norm(h, stride, 0) if stride == 2 else h)).relu()
    weight, bias = next(parameters), next(parameters)
    torch.testing.assert_close(net(x), h.mean(dim=(2, 3)) @ weight.T + bias)


def test_every_parameter_gets_a_gradient():
    torch.manual_seed(0)
    net = resnet20()
    net(torch.randn(4, 3, 16, 16)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_no_channels_are_refused():
    with pytest.raises(ConfigError, match="in_channels = 0"):
        resnet20(in_channels=0)
