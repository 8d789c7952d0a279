"""What a Gaussian guide says of every unit: norms above a threshold, evidence, signal to noise."""

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.analysis.gaussian_evidence import UnitEvidence, unit_evidence
from bayes_guided.analysis.implied import Threshold
from bayes_guided.analysis.norm_tail import norm_tail, norm_tail_of_covariance
from bayes_guided.guides import Guide
from bayes_guided.priors.guided import GuidedPrior


@torch.no_grad()
def threshold_log_odds(guide: Guide, prior: GuidedPrior, threshold: Threshold) -> dict[str, Float[Tensor, "units"]]:
    """log odds that the norm of a row's penalised weights is above the threshold, nats, exact in both tails (P18)."""
    return {name: _group_threshold(guide, prior, name, threshold.tau) for name in prior.row_priors}


@torch.no_grad()
def removal_evidence(guide: Guide, prior: GuidedPrior) -> dict[str, UnitEvidence]:
    """Savage-Dickey on the whole row of every unit (P19).

    Raises:
        ImproperPriorError: if the prior's density at zero is infinite.
    """
    posterior, found = guide.posterior(), {}
    for name, rows in prior.row_priors.items():
        places = guide.index(name)
        zeros = torch.zeros(places.shape, dtype=torch.float64)
        found[name] = unit_evidence(posterior, places, rows.distribution(zeros).log_prob(zeros))
    return found


@torch.no_grad()
def signal_to_noise(guide: Guide, prior: GuidedPrior) -> dict[str, Float[Tensor, "units"]]:
    """m' S^-1 m / D of every row's penalised weights."""
    found, means, sds = {}, guide.means, guide.sds
    for name, rows in prior.row_priors.items():
        columns = rows.columns.to(means.rest.device)
        mean = means.rows[name][:, columns].double()
        if guide.independent:
            squares = (mean / sds.rows[name][:, columns].double()).square().sum(dim=1)
        else:
            squares = torch.stack([_distance(guide, name, unit, rows.columns) for unit in range(len(mean))])
        found[name] = squares.cpu() / rows.dim
    return found


def _group_threshold(guide: Guide, prior: GuidedPrior, name: str, tau: float) -> Float[Tensor, "units"]:
    columns = prior.row_priors[name].columns
    if guide.independent:
        mean, sd = (part.rows[name].cpu()[:, columns] for part in (guide.means, guide.sds))
        return norm_tail(mean, sd, tau).log_odds
    places, odds = guide.index(name)[:, columns], []
    posterior = guide.posterior()
    for row in places:  # one at a time: the covariances of all rows together may be far larger than the guide
        mean, covariance = posterior.mean[row].cpu(), posterior.covariance_block(row.to(posterior.mean.device)).cpu()
        odds.append(norm_tail_of_covariance(mean[None], covariance[None], tau).log_odds)
    return torch.cat(odds)


def _distance(guide: Guide, name: str, unit: int, columns: Tensor) -> Float[Tensor, ""]:
    posterior = guide.posterior()
    row = guide.index(name)[unit][columns].to(posterior.mean.device)
    mean = posterior.mean[row]
    return mean @ torch.linalg.solve(posterior.covariance_block(row), mean)
