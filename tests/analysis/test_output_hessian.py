"""Output Hessians against automatic differentiation of the likelihoods themselves."""

import pytest
import torch

from bayes_guided import likelihoods
from bayes_guided.analysis.output_hessian import bernoulli_hessian, categorical_hessian, normal_hessian, poisson_hessian
from bayes_guided.exceptions import StrengthError

GENERATOR = torch.Generator().manual_seed(0)
OUTPUTS = torch.randn(5, 3, generator=GENERATOR, dtype=torch.float64)
CASES = {
    "Categorical": (likelihoods.Categorical(), categorical_hessian, torch.tensor([0, 2, 1, 1, 0])),
    "Bernoulli": (likelihoods.Bernoulli(), bernoulli_hessian, (OUTPUTS.flip(0) > 0).double()),
    "Poisson": (likelihoods.Poisson(), poisson_hessian, torch.arange(15.0, dtype=torch.float64).reshape(5, 3)),
    "Normal": (likelihoods.Normal(0.7), normal_hessian(0.7), OUTPUTS.flip(0)),
}


@pytest.mark.parametrize("name", CASES)
def test_against_the_likelihood(name):
    likelihood, hessian, targets = CASES[name]
    found = hessian(OUTPUTS)
    for case in range(5):
        target = targets[case : case + 1]
        exact = torch.func.hessian(lambda o, t=target: -likelihood.log_prob(o[None], t).sum())(OUTPUTS[case])
        torch.testing.assert_close(found[case], exact, rtol=1e-10, atol=1e-12)


def test_scale_must_be_positive():
    with pytest.raises(StrengthError, match="scale=0"):
        normal_hessian(0.0)
