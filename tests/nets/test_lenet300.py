import torch

from bayes_guided.nets import lenet300


def test_widths_and_number_of_parameters_of_the_literature():
    net = lenet300()
    assert [tuple(p.shape) for p in net.parameters() if p.ndim == 2] == [(300, 784), (100, 300), (10, 100)]
    assert sum(p.numel() for p in net.parameters()) == 266_610


def test_images_and_flat_inputs_give_the_same_output():
    torch.manual_seed(0)
    net = lenet300(outputs=4, inputs=64)
    x = torch.randn(3, 1, 8, 8)
    assert net(x).shape == (3, 4)
    torch.testing.assert_close(net(x), net(x.reshape(3, 64)))
