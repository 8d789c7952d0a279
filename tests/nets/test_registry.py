import pytest
import torch

from bayes_guided.exceptions import ConfigError
from bayes_guided.nets import MLP, NETS, LeNet5, ResNet20, build


@pytest.mark.parametrize(
    ("name", "settings", "kind", "inputs"),
    [
        ("mlp", {"inputs": 5, "hidden": [4, 3], "outputs": 2}, MLP, (3, 5)),
        ("lenet300", {"outputs": 2, "inputs": 5}, MLP, (3, 5)),
        ("lenet5", {"outputs": 2}, LeNet5, (3, 1, 28, 28)),
        ("resnet20", {"in_channels": 1, "outputs": 2}, ResNet20, (3, 1, 8, 8)),
    ],
)
def test_every_known_name_builds_its_network_with_the_settings(name, settings, kind, inputs):
    net = build(name, **settings)
    assert type(net) is kind
    assert net(torch.zeros(inputs)).shape == (3, 2)


def test_the_cases_above_are_all_of_them():
    assert set(NETS) == {"mlp", "lenet300", "lenet5", "resnet20"}


@pytest.mark.parametrize(("wrong", "near"), [("lenet-5", "lenet5"), ("resnet", "resnet20"), ("MLP", "mlp"), ("?", "")])
def test_an_unknown_name_is_refused_with_the_nearest(wrong, near):
    with pytest.raises(ConfigError, match=f"the nearest is '{near}"):
        build(wrong)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"inputs": 3}, "outputs"), ({"inputs": 3, "outputs": 2, "widths": (4,)}, "widths.*hidden")],
)
def test_missing_and_unknown_settings_are_refused_with_the_signature(settings, message):
    with pytest.raises(ConfigError, match=message):
        build("mlp", **settings)
