"""Best sums in order, against sorting all of them (P15)."""

from itertools import islice, product

import numpy as np

from bayes_guided.priors.models.top_models import largest_sums, smallest_subset_sums


def test_subsets_of_twelve():
    values = np.abs(np.random.default_rng(0).normal(size=12))
    values[3] = values[5] = 0.0
    found = list(smallest_subset_sums(values))
    every = sorted(values[list(places)].sum() for places in (np.flatnonzero(bits) for bits in product([0, 1], repeat=12)))
    assert len({places for _, places in found}) == 4096
    np.testing.assert_allclose([total for total, _ in found], every, atol=1e-13)
    np.testing.assert_allclose([values[list(places)].sum() for _, places in found], every, atol=1e-13)


def test_no_values():
    assert list(smallest_subset_sums(np.zeros(0))) == [(0.0, ())]


def test_sums_over_sequences_are_read_lazily():
    rng = np.random.default_rng(1)
    lists = [np.sort(rng.normal(size=n))[::-1] for n in (5, 1, 7, 3)]
    read = [0] * 4

    def sequence(place):
        for rank, score in enumerate(lists[place]):
            read[place] += 1
            yield float(score), rank

    found = largest_sums([sequence(place) for place in range(4)])
    first = list(islice(found, 2))
    assert sum(read) < 5 + 1 + 7 + 3
    entries = first + list(found)
    every = sorted((sum(scores) for scores in product(*lists)), reverse=True)
    np.testing.assert_allclose([score for score, _ in entries], every, atol=1e-13)
    assert len({tuple(ranks) for _, ranks in entries}) == 105


def test_an_empty_sequence_leaves_no_sum():
    assert list(largest_sums([iter([(1.0, "a")]), iter([])])) == []
