"""MCMC: draws from the posterior itself, for networks small enough."""

import copy
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from bayes_guided.arguments import whole_number
from bayes_guided.exceptions import ConfigError, DataError
from bayes_guided.infer.mcmc.chains import Chain, Record, run_chain
from bayes_guided.infer.mcmc.continuous_chain import ContinuousChain, NUTSSettings
from bayes_guided.infer.mcmc.model_chain import ModelChain
from bayes_guided.infer.mcmc.potential import Posterior
from bayes_guided.infer.mcmc.representative import best_draw
from bayes_guided.infer.mcmc.result import MCMCFit
from bayes_guided.infer.mcmc.samples import Samples
from bayes_guided.infer.prediction.evaluation import check_cases
from bayes_guided.infer.training.batches import Batches, Data
from bayes_guided.infer.training.generators import seeded_generators
from bayes_guided.infer.training.history import History
from bayes_guided.infer.training.session import Prior, Session
from bayes_guided.infer.training.threads import threads_for
from bayes_guided.likelihoods import Likelihood, Normal
from bayes_guided.priors import GuidedPrior

_BATCH = 1024
_FEWEST_DRAWS = 4
_FEWEST_WARMUP = 40


def fit_mcmc(
    net: nn.Module,
    prior: Prior,
    data: Data,
    *,
    likelihood: Likelihood | None = None,
    chains: int = 4,
    warmup: int = 1000,
    draws: int = 1000,
    target_accept: float = 0.8,
    max_tree_depth: int = 10,
    seed: int | None = None,
    device: str | torch.device = "cpu",
    checkpoint: str | Path | None = None,
    checkpoint_steps: int | None = None,
    checkpoint_seconds: float = 30.0,
    progress: bool | None = None,
) -> MCMCFit:
    """Draws from the posterior of all weights, and of the models of a spike and slab, by several Markov chains.

    Continuous priors: Pyro's NUTS on all weights and the log of a learned noise. Spike and slab: NUTS in turn with moves on
    the model (`ModelMoves` says which, and why the posterior stays as it is). The network runs in evaluation mode: dropout is
    off, and batch norm uses the statistics it came with. Frozen parameters stay as they are. All data are held in memory and
    used at every step, so this is for small networks and data: the reference that other methods are held against.

    Args:
        net: the network; it is copied. Chains start from draws of the prior, not from its weights.
        prior: the guided prior, or the spike and slab, on its weights.
        data: a pair of tensors or arrays, or a DataLoader, read once. Floating-point values are cast to the network's dtype;
            a float64 network is the better reference.
        likelihood: Categorical() by default.
        chains: how many, one after the other. Under a spike and slab every second one starts from a model drawn from the
            prior, the others from the full model.
        warmup: steps of each chain that tune it and are thrown away.
        draws: of each chain.
        target_accept: the acceptance probability that the step size is tuned to; closer to 1 means fewer divergences.
        max_tree_depth: a trajectory has at most 2^max_tree_depth steps.
        seed: governs everything random; drawn from torch's generator if left out, and recorded in the fit.
        device: where to compute.
        checkpoint: a folder; a fit that is killed and started again with the same arguments goes on to the same bits. A chain
            that is killed in its warm-up starts its warm-up again.
        checkpoint_steps, checkpoint_seconds: how often a chain's file is written; steps are its draws.
        progress: show a bar; by default in a terminal only.

    Raises:
        DataError, LabelError: for data that cannot be used, or a DataLoader that leaves cases out.
        ConfigError: for settings out of range, or a spike and slab over frozen parameters.
        NoDensityError: if the weight prior has no density (TreeGroupLaplace).
        DivergedError: if the density is not finite where a chain starts.
        CheckpointError: if the checkpoint is corrupt or of another run.
        RunFolderError: if the checkpoint cannot be written.
        ArchitectureMismatchError: if the prior is of another network.
    """
    settings = NUTSSettings(warmup, target_accept, max_tree_depth)
    _check(settings, chains, draws)
    session = Session.begin(
        net,
        prior,
        data,
        likelihood=likelihood,
        validation=None,
        batch_size=_BATCH,
        seed=seed,
        device=device,
        checkpoint=checkpoint,
        checkpoint_steps=checkpoint_steps,
        checkpoint_seconds=checkpoint_seconds,
        progress=progress,
        settings={"method": "mcmc", "chains": chains, "draws": draws, **asdict(settings)},
    )
    check_cases(session.net, session.likelihood, session.batches)
    continuous = prior if isinstance(prior, GuidedPrior) else prior.slab_prior
    with seeded_generators(session.seed, session.batches.device):  # a loader may shuffle
        cases = _all_cases(session.batches)
    posterior = Posterior(session.net, continuous, session.likelihood, *cases)
    with threads_for(prior.architecture.full().macs * session.batches.size):
        records = _run(session, _chain_maker(posterior, prior, settings), chains, draws, warmup)
    return _fit(session, Samples.of(posterior.space, records))


def _chain_maker(posterior: Posterior, prior: Prior, settings: NUTSSettings) -> Callable[[int], Chain]:
    if isinstance(prior, GuidedPrior):
        return lambda number: ContinuousChain(posterior, settings)
    space = posterior.space
    guided = sum(group.size * group.row_dim for group in prior.architecture.groups)
    if int((space.free < guided).sum()) < guided:
        raise ConfigError("a frozen parameter belongs to units that may be absent: let it train, or protect its layer.")
    return lambda number: ModelChain(posterior, prior, settings, from_full=number % 2 == 0)


def _run(session: Session, make: Callable[[int], Chain], chains: int, draws: int, warmup: int) -> list[Record]:
    """Every chain from a seed of its own, drawn from the session's, so that neighbouring seeds share no chain."""
    seeds = torch.randint(2**62, (chains,), generator=torch.Generator().manual_seed(session.seed)).tolist()
    hidden = None if session.progress is None else not session.progress
    records = []
    with tqdm(total=chains * (warmup + draws), desc="MCMC", unit="step", disable=hidden, leave=False) as bar:
        for number, seed in enumerate(seeds):
            phase = None if session.checkpoints is None else session.checkpoints.phase(f"chain-{number + 1}")
            records.append(
                run_chain(
                    make(number),
                    draws,
                    seed=seed,
                    device=session.batches.device,
                    checkpoint=phase,
                    advance=bar.update,
                    warmup=warmup,
                )
            )
    return records


def _fit(session: Session, samples: Samples) -> MCMCFit:
    fit = MCMCFit(
        prior=session.prior,
        likelihood=copy.deepcopy(session.likelihood),
        net=session.net.eval(),
        history=History(),
        seed=session.seed,
        seconds=session.seconds,
        samples=samples,
    )
    model = fit.sub_architecture()
    drawn = samples.take(torch.tensor([best_draw(samples, session.prior, model)]), session.batches.device)
    rows: dict[str, Tensor] = {
        name: row[0] * model.masks[name].to(row.device).unsqueeze(-1) for name, row in drawn.rows.items()
    }
    fit.architecture.write_rows(fit.net, rows, drawn.rest[0])
    if isinstance(fit.likelihood, Normal) and fit.likelihood.log_scale is not None and drawn.noise_scale is not None:
        with torch.no_grad():
            fit.likelihood.log_scale.copy_(drawn.noise_scale[0].log())
    return fit


def _all_cases(batches: Batches) -> tuple[Tensor, Tensor]:
    inputs, targets = (torch.cat(parts) for parts in zip(*batches.sweep(), strict=True))
    if len(inputs) != batches.size:
        raise DataError(
            f"the DataLoader gives {len(inputs)} cases of {batches.size}; MCMC needs every one: leave drop_last out."
        )
    return inputs, targets


def _check(settings: NUTSSettings, chains: int, draws: int) -> None:
    whole_number("chains", chains)
    whole_number("draws", draws, least=_FEWEST_DRAWS)
    whole_number("warmup", settings.warmup, least=_FEWEST_WARMUP)
    whole_number("max_tree_depth", settings.max_tree_depth)
    if not 0 < settings.target_accept < 1:
        raise ConfigError(f"target_accept={settings.target_accept}: give a probability between 0 and 1.")
