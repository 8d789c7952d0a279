"""Masses on both sides of a border against the incomplete gamma function, into the far tails."""

import mpmath
import pytest
import torch

from bayes_guided.analysis.half_line import log_mass_above, log_mass_below


@pytest.mark.parametrize("shape", [1.0, 2.5, 400.0])
@pytest.mark.parametrize("border", [1e-6, 0.3, 1.0, 3.0, 40.0, 2000.0])
def test_gamma_masses(shape: float, border: float):
    """t = exp(v) with density t^(a - 1) exp(-t) has the density exp(a v - exp(v)) in v."""
    v = torch.tensor([border], dtype=torch.float64).log()
    scale = torch.full_like(v, shape).log()

    def density(nodes: torch.Tensor) -> torch.Tensor:
        return shape * nodes - nodes.exp()

    with mpmath.workdps(30):
        above = float(mpmath.log(mpmath.gammainc(shape, border)))
        below = float(mpmath.log(mpmath.gammainc(shape, 0, border)))
    assert float(log_mass_above(density, v, torch.maximum(v, scale))) == pytest.approx(above, rel=1e-11, abs=1e-11)
    assert float(log_mass_below(density, v, torch.minimum(v, scale))) == pytest.approx(below, rel=1e-11, abs=1e-11)
