"""Likelihoods: what the network's outputs say about the targets."""

from .base import ClassLikelihood as ClassLikelihood
from .base import Likelihood as Likelihood
from .base import NumberLikelihood as NumberLikelihood
from .bernoulli import Bernoulli as Bernoulli
from .categorical import Categorical as Categorical
from .normal import NOISE_PRIOR as NOISE_PRIOR
from .normal import Normal as Normal
from .poisson import Poisson as Poisson
from .storage import likelihood_from_json as likelihood_from_json
from .storage import likelihood_to_json as likelihood_to_json
