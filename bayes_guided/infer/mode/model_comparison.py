"""Evidence of sub-architectures, each fitted on its own: what one fit's Savage-Dickey ratios cannot tell of many removals."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from bayes_guided.analysis.laplace import EvidenceTable, LaplaceEvidence, evidence_table, laplace_evidence_of
from bayes_guided.architecture import SubArchitecture
from bayes_guided.exceptions import ArchitectureMismatchError
from bayes_guided.infer.map.objectives import MAPObjective
from bayes_guided.infer.map.result import MAPFit
from bayes_guided.infer.mode.fitting import Expanded, expand
from bayes_guided.infer.mode.flat_weights import FlatWeights
from bayes_guided.infer.mode.posterior import Structure, assemble
from bayes_guided.infer.training.batches import Data
from bayes_guided.infer.training.loop import Plan
from bayes_guided.infer.training.session import Session
from bayes_guided.likelihoods import Likelihood
from bayes_guided.priors.guided import GuidedPrior
from bayes_guided.priors.rows.weights import Normal


def compare_models(
    net: nn.Module,
    prior: GuidedPrior,
    data: Data,
    models: Mapping[str, SubArchitecture] | Sequence[SubArchitecture],
    *,
    likelihood: Likelihood | None = None,
    log_prior: Mapping[str, float] | None = None,
    structure: Structure = "full",
    epochs: int = 20,
    batch_size: int = 128,
    lr: float = 2e-3,
    warmup_steps: int = 50,
    seed: int | None = None,
    device: str | torch.device = "cpu",
    progress: bool | None = None,
) -> EvidenceTable:
    """log p(D | m) of every model in nats, by Laplace at a MAP of its own, split into fit and Occam factor.

    Each model is fitted from `net`'s weights with its absent units' rows and outgoing weights held at 0, under the prior that
    the others have given these zeros: the same family, guidance and rates over fewer weights. It is then expanded as by
    `laplace` in the form `structure`, whose full form improves the MAP by Newton's method first. Exact for linear models with
    normal noise and prior; in networks it is the evidence of one mode.

    Under a prior with a kink units can be exactly zero within a model; its evidence is then that of the units that are left,
    and `approximations` says so. Models without a name are called after their place and widths, as in "0: 12-8". `log_prior`
    is as in `evidence_table`, `likelihood`, the budget, `seed` and `device` as in `fit_map`.

    Raises:
        PosteriorError: if there is no model.
        ArchitectureMismatchError: if a model is of another architecture.
        DataError, LabelError, ConfigError, NoMAPError, DivergedError: as `fit_map`.
        CurvatureError, CovarianceError: as `laplace`.
    """
    named = models if isinstance(models, Mapping) else {_name(place, model): model for place, model in enumerate(models)}
    plan, found = Plan(epochs, lr), dict[str, LaplaceEvidence]()
    for name, model in named.items():
        if model.architecture.fingerprint != prior.architecture.fingerprint:
            raise ArchitectureMismatchError(f'the model "{name}" is of another architecture than the prior.')
        session = Session.begin(
            net,
            prior,
            data,
            likelihood=likelihood,
            validation=None,
            batch_size=batch_size,
            seed=seed,
            device=device,
            checkpoint=None,
            checkpoint_steps=None,
            checkpoint_seconds=30.0,
            progress=progress,
            settings={},
        )
        absent = absent_weights(net, model)
        fit = _fitted(session, prior, absent, plan, warmup_steps)
        expanded = expand(fit, data, structure, FlatWeights(prior.architecture).trainable(net) & ~absent)
        found[name] = _evidence(expanded, structure, model)
    return evidence_table(found, log_prior)


def absent_weights(net: nn.Module, model: SubArchitecture) -> Bool[Tensor, "weights"]:
    """Which weights, in the order of `FlatWeights`, a model lacks: absent units' rows, and what their outputs would meet."""
    flat = FlatWeights(model.architecture)
    absent = torch.zeros(flat.size, dtype=torch.bool)
    for group in model.architecture.groups:
        gone = ~model.masks[group.name]
        absent[flat.rows[group.name][gone]] = True
        for unit, places in enumerate(flat.outgoing(group, net)):
            absent[places] |= bool(gone[unit])
    return absent & flat.trainable(net)


def _fitted(session: Session, prior: GuidedPrior, absent: Bool[Tensor, "weights"], plan: Plan, warmup_steps: int) -> MAPFit:
    """The MAP of the present weights; the absent ones are 0 from the start, and a weight of 0 without a gradient stays 0."""
    flat = FlatWeights(prior.architecture)
    for name, parameter in session.net.named_parameters():
        gone = absent[flat.parameters[name]].to(parameter.device)
        with torch.no_grad():
            parameter.masked_fill_(gone, 0.0)
        if parameter.requires_grad:
            parameter.register_hook(lambda gradient, gone=gone: gradient.masked_fill(gone, 0.0))
    objective = MAPObjective(
        session.net,
        prior,
        session.likelihood,
        session.batches,
        None,
        lr=plan.lr,
        warmup_steps=warmup_steps,
        metric="row",
        allow_empty=True,
    )
    history = session.train(objective, plan, label="model")
    net = session.net.eval()
    return MAPFit(prior, session.likelihood, net, history, session.seed, session.seconds, refit=None)


def _evidence(found: Expanded, structure: Structure, model: SubArchitecture) -> LaplaceEvidence:
    if not bool(found.prior.free.any()):
        return laplace_evidence_of(found.log_likelihood, 0.0, 0.0, 0, "exact: no weights")
    posterior, places = assemble(structure, found.curvature, found.prior)
    log_det, density = float(posterior.log_det_covariance()), found.prior.log_density()
    approximation = _approximation(posterior.approximation, found, model)
    return laplace_evidence_of(found.log_likelihood, density, log_det, len(places), approximation)


def _approximation(covariance: str, found: Expanded, model: SubArchitecture) -> str:
    text = f"Laplace at one MAP, {covariance}, noise as fitted"
    if isinstance(found.prior.prior.weights, Normal):
        return text
    alive = {name: found.prior.free[rows].any(dim=1) for name, rows in found.prior.flat.rows.items()}
    zero = sum(int((mask & ~alive[name]).sum()) for name, mask in model.masks.items())
    text += "; the prior has a kink at 0, near which the Gaussian fails"
    return f"{text}; {zero} units are zero at the MAP and not counted" if zero else text


def _name(place: int, model: SubArchitecture) -> str:
    return f"{place}: {'-'.join(str(width) for width in model.widths.values())}"
