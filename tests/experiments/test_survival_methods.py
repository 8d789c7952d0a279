"""All methods side by side: the average over labels is exact, and the README says what was found."""

import itertools
import json

import pytest
import torch

from experiments.survival_methods import run
from experiments.survival_methods.answers import REFERENCE, Answer
from experiments.survival_methods.chains import slot_shares
from experiments.survival_methods.fits import at_least, at_least_of_masks
from experiments.survival_methods.problem import GROUP, Config, Problem
from experiments.survival_methods.relabelling import slot_probabilities
from experiments.survival_methods.tables import distances, fill, tables

RESULTS = json.loads((run.HERE / "results.json").read_text())
ANSWERS = [Answer(**answer) for answer in RESULTS["answers"]]


def test_slot_probabilities_are_the_average_over_all_permutations() -> None:
    log_weights = 3 * torch.randn(5, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    units = torch.arange(4)
    total, expected = torch.zeros(5, dtype=torch.float64), torch.zeros_like(log_weights)
    for slots in itertools.permutations(range(4)):
        weight = log_weights[:, units, list(slots)].sum(dim=1).exp()
        total += weight
        expected[:, units, list(slots)] += weight[:, None]
    torch.testing.assert_close(slot_probabilities(log_weights), expected / total[:, None, None], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("with_models", [False, True])
def test_relabelling_leaves_exact_draws_where_they_are(with_models: bool) -> None:
    """Under the prior itself, whose draws already have the labels' law, the average changes no probability."""
    problem = Problem(Config.load(quick=True))
    density, models = problem.prior.distribution(GROUP, problem.data[0]), problem.spike_and_slab.models
    with torch.random.fork_rng():
        torch.manual_seed(0)
        rows = density.sample(torch.Size([1, 6000]))
    masks = models.sample(6000, torch.Generator().manual_seed(1))[GROUP][None] if with_models else None
    seen = (rows.norm(dim=-1) > 0.5).double() if masks is None else masks.double()
    averaged = torch.einsum("cdus,cdu->ds", slot_shares(problem, rows, masks), seen)
    difference = averaged - seen[0]
    assert (difference.mean(dim=0).abs() < 4 * difference.std(dim=0) / 6000**0.5).all()
    assert (averaged.std(dim=0) < seen[0].std(dim=0)).all()


def test_laws_of_the_width() -> None:
    masks = torch.tensor([[1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 1, 0]], dtype=torch.bool)
    expected = torch.tensor([1.0, 0.75, 0.25], dtype=torch.float64)
    torch.testing.assert_close(at_least_of_masks(masks), expected)
    torch.testing.assert_close(at_least(torch.tensor([0.0, 0.25, 0.5, 0.25])), expected)


def test_quick_prints_every_reading_and_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in run.HERE.iterdir() if path.is_file()}
    assert run.main(["--quick"]) == 0
    printed = capsys.readouterr().out
    assert {answer.method for answer in ANSWERS} <= {cell.strip().strip("*") for cell in printed.split("|")}
    assert before == {path: path.read_bytes() for path in run.HERE.iterdir() if path.is_file()}


def test_the_readme_shows_the_stored_results() -> None:
    readme = (run.HERE / "README.md").read_text()
    assert fill(readme, RESULTS) == readme
    assert all(table in readme for table in tables(RESULTS).values())


def test_the_reference_is_worth_its_name() -> None:
    """Chains agree on what does not depend on labels, and survivals averaged over labels are known to about 0.03."""
    references = [answer for answer in ANSWERS if answer.is_reference]
    assert {answer.reading for answer in references} == {"threshold", "shrinkage", "evidence"}
    for answer in references:
        assert answer.convergence is not None
        assert max(answer.convergence["rhat"]) < 1.1
        assert answer.convergence["width_rhat"] < 1.02
        assert answer.error is not None
        assert max(high - low for low, high in zip(*answer.error, strict=True)) < 0.06


def test_a_distance_leaves_out_what_a_method_does_not_know() -> None:
    reference = Answer("threshold", REFERENCE, [[0.5, 0.25, 1.0]])
    other = Answer("threshold", "SVI", [[0.75, None, 1.0], [0.5, None, 0.0]])
    assert distances(other, [reference, other]) == (0.3125, 1.0)
    assert distances(reference, [reference, other]) is None
    assert distances(Answer("map", "MAP", [[1.0, 1.0, 1.0]]), [reference]) is None
