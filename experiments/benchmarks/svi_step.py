"""What a mean-field SVI step costs: the ratio to a plain Adam step of the same network, in one run.

    python -m experiments.benchmarks.svi_step [--threads N] [--out FILE]

Each step is forward, backward, optimiser, at LeNet-300-100, batch 128, one particle. SVI trains by torch's fused Adam, so its
ratio is to plain training by the same fused Adam; the loop form of torch's default is printed beside. Pyro's AutoNormal on the
rows of the same prior is trained by the same fused Adam. The candidates take turns, block by block, so that a
change of the machine's speed meets all of them; medians over the blocks.
"""

import json
from collections.abc import Callable

import pyro
import torch
import torch.nn.functional as functional
from pyro.infer import Trace_ELBO
from pyro.infer.autoguide import AutoNormal, init_to_value
from torch import nn

import bayes_guided as bg
from bayes_guided.guides import FreeRest, MeanField, RowScale, Weights
from bayes_guided.infer.svi.expected_penalty import ExpectedPenalty
from bayes_guided.infer.svi.objective import Divergence, SVIObjective
from bayes_guided.infer.training.batches import as_batches
from experiments.benchmarks.turns import Rows, arguments_of, in_turns, print_rows

BATCH, CASES = 128, 60_000
Step = Callable[[], None]


def plain(fused: bool) -> Callable[[nn.Module], Step]:
    """A step of torch.optim.Adam."""

    def build(net: nn.Module) -> Step:
        inputs, targets = _batch()
        adam = torch.optim.Adam(net.parameters(), lr=1e-3, fused=fused)

        def step() -> None:
            adam.zero_grad(set_to_none=True)
            functional.cross_entropy(net(inputs), targets).backward()
            adam.step()

        return step

    return build


def svi(family: type[MeanField] | type[RowScale], *, local: bool) -> Callable[[nn.Module], Step]:
    """A step of `bg.fit_svi`, one particle, with the bound of the expected norm."""

    def build(net: nn.Module) -> Step:
        inputs, targets = _batch()
        prior = _prior(net)
        free = FreeRest.of(prior.architecture, net)
        rows = {name: row.detach().clone() for name, row in prior.architecture.rows(net).items()}
        guide = family(prior.architecture, Weights(rows, free.values.clone()))
        divergence = Divergence(guide, None, ExpectedPenalty(prior, guide), None)
        batches = as_batches((inputs, targets), BATCH, torch.device("cpu"))
        objective = SVIObjective(
            net, bg.likelihoods.Categorical(), divergence, free, batches, None, lr=1e-3, particles=1, local=local
        )

        def step() -> None:
            objective.optimizer.zero_grad(set_to_none=True)
            objective.batch_loss(inputs, targets).loss.backward()
            objective.optimizer.step()

        return step

    return build


def auto_normal(net: nn.Module) -> Step:
    """A step of Pyro's AutoNormal, one particle, by the same fused Adam."""
    inputs, targets = _batch()
    with pyro.settings.context(module_local_params=True):
        model = bg.models.BayesianNetwork(net, _prior(net), bg.likelihoods.Categorical(), dataset_size=CASES)
        guide = AutoNormal(model, init_loc_fn=init_to_value(values=model.initial_values()), init_scale=0.01)
        guide(inputs, targets)
    adam, elbo = torch.optim.Adam(guide.parameters(), lr=1e-3, fused=True), Trace_ELBO()

    def step() -> None:
        with pyro.settings.context(module_local_params=True):
            adam.zero_grad(set_to_none=True)
            (elbo.differentiable_loss(model, guide, inputs, targets) / CASES).backward()
            adam.step()

    return step


CANDIDATES: dict[str, Callable[[nn.Module], Step]] = {
    "plain Adam (fused)": plain(True),
    "plain Adam (torch's default)": plain(False),
    "SVI, mean field, local": svi(MeanField, local=True),
    "SVI, one scale per row, local": svi(RowScale, local=True),
    "SVI, mean field, weights drawn": svi(MeanField, local=False),
    "Pyro AutoNormal": auto_normal,
}


def _batch() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(BATCH, 784), torch.randint(10, (BATCH,))


def _prior(net: nn.Module) -> bg.GuidedPrior:
    architecture = bg.Architecture.from_module(net, torch.randn(2, 784))
    return bg.GuidedPrior(architecture, weights=bg.priors.GroupLaplace(strength=1.0), guidance=bg.guidance.linear())


def measure(blocks: int, seconds: float) -> Rows:
    """Each candidate's step, in turn with plain fused Adam's."""
    torch.manual_seed(0)
    steps = {name: build(bg.nets.lenet300()) for name, build in CANDIDATES.items()}
    return in_turns(steps, blocks, seconds, "plain Adam (fused)")


def main() -> None:
    """Measures all candidates and prints a table."""
    arguments = arguments_of(__doc__)
    rows = measure(arguments.blocks, arguments.seconds)
    print(f"lenet300, batch {BATCH}, {arguments.threads} thread(s), {arguments.blocks} blocks")
    print_rows(rows)
    if arguments.out:
        arguments.out.write_text(json.dumps({"threads": arguments.threads, "steps": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
