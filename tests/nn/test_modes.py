"""Evaluation mode inside, and each module's own mode afterwards."""

import pytest
from torch import nn

from bayes_guided.nn.modes import evaluating


def test_evaluating_restores_each_module_and_is_quiet_inside():
    net = nn.Sequential(nn.Dropout(), nn.Sequential(nn.Dropout()))
    net[1].eval()
    with evaluating(net):
        assert not any(module.training for module in net.modules())
    with pytest.raises(KeyError), evaluating(net):
        raise KeyError
    assert [module.training for module in net.modules()] == [True, True, False, False]
