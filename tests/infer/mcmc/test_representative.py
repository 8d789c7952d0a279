"""The draw and the model that stand for a posterior."""

from dataclasses import replace

import torch

from bayes_guided.infer.mcmc.representative import best_draw, median_model
from bayes_guided.infer.mcmc.samples import Samples
from tests.scenarios import TWINS

GROUP, U = TWINS.group, TWINS.units


def samples(masks: list[list[int]], density: list[float]) -> Samples:
    """One chain with these models and log densities."""
    drawn = len(masks)
    return Samples(
        rows={GROUP: torch.zeros(1, drawn, U, 1)},
        rest=torch.zeros(1, drawn, TWINS.architecture.rest_size),
        noise_scale=None,
        masks={GROUP: torch.tensor(masks, dtype=torch.bool)[None]},
        log_odds=None,
        log_density=torch.tensor(density, dtype=torch.float64)[None],
        diverged=torch.zeros(1, drawn, dtype=torch.bool),
    )


MODEL = median_model(TWINS.architecture, {GROUP: torch.tensor([0.9, 0.5, 0.4, 0.1])})


def test_the_median_model_keeps_units_of_one_half():
    assert MODEL.masks[GROUP].tolist() == [True, True, False, False]


def test_the_best_draw_of_the_nearest_model():
    drawn = samples([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]], [9.0, 1.0, 2.0, 8.0])
    assert best_draw(drawn, TWINS.prior, MODEL) == 2
    missed = samples([[1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 1, 0]], [9.0, 2.0, 1.0])
    assert best_draw(missed, TWINS.prior, MODEL) == 1


def test_log_volume_makes_sizes_comparable():
    """One unit more costs 5 nats of volume, which turns the order of two models that are equally near."""
    prior = replace(TWINS.prior, log_volume={GROUP: torch.full((U,), 5.0)})
    drawn = samples([[1, 0, 0, 0], [1, 1, 1, 0]], [1.0, 9.0])
    assert best_draw(drawn, TWINS.prior, MODEL) == 1
    assert best_draw(drawn, prior, MODEL) == 0


def test_without_models_the_highest_density():
    drawn = replace(samples([[1, 1, 1, 1]] * 3, [1.0, 3.0, 2.0]), masks=None)
    assert best_draw(drawn, TWINS.prior.slab_prior, TWINS.architecture.full()) == 1
