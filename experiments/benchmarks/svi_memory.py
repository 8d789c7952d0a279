"""Peak memory of a mean-field SVI fit, as a ratio to plain Adam's.

    python -m experiments.benchmarks.svi_memory [--repeats N] [--out FILE]

As `map_memory`, whose processes these are: every fit in its own fresh process, what it holds after imports, a tiny fit and
data taken off, medians over the repeats. `bg.fit_svi` keeps two numbers per weight, with a gradient and two moments each,
beside the user's network.
"""

from torch import Tensor

import bayes_guided as bg

from . import map_memory
from .map_memory import EPOCHS, Case, _prior


def fit_svi(case: Case, data: tuple[Tensor, Tensor]) -> None:
    """Mean field by `bg.fit_svi`, local reparameterisation, one particle."""
    net = case.build()
    bg.fit_svi(net, _prior(net, case), data, epochs=EPOCHS, batch_size=case.batch[0], elbo_draws=2, seed=0)


if __name__ == "__main__":
    map_memory.report(__doc__, {"plain Adam": map_memory.plain_adam, "mean-field SVI (bg.fit_svi)": fit_svi})
