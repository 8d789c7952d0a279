from dataclasses import FrozenInstanceError, replace

import pytest
import torch

from bayes_guided.datasets import Dataset
from bayes_guided.exceptions import ConfigError, DataError, LabelError


def classification(**changes) -> Dataset:
    parts = {
        "train_x": torch.arange(40.0).reshape(20, 2),
        "train_y": torch.arange(20) % 4,
        "test_x": torch.ones(5, 2),
        "test_y": torch.tensor([0, 1, 2, 3, 0]),
    }
    return Dataset(**{**parts, "name": "mine", "num_classes": 4, **changes})


def regression(**changes) -> Dataset:
    return classification(**{"train_y": torch.arange(20.0), "test_y": torch.ones(5), "num_classes": None, **changes})


def test_it_is_frozen():
    with pytest.raises(FrozenInstanceError):
        classification().name = "other"  # pyright: ignore[reportAttributeAccessIssue]


def test_split_validation_moves_whole_rows_and_keeps_the_rest():
    whole = replace(regression(), target_mean=3.0, target_std=2.0)
    split = whole.split_validation(0.25, seed=3)
    assert split.validation_x is not None
    assert split.validation_y is not None
    assert (len(split.train_x), len(split.validation_x)) == (15, 5)
    rows = torch.cat([split.train_y, split.validation_y])
    assert torch.equal(rows.sort().values, whole.train_y)
    # Row i of the inputs is (2 i, 2 i + 1) and its target i: inputs and targets moved together.
    assert torch.equal(torch.cat([split.train_x, split.validation_x])[:, 0], 2 * rows)
    assert split.test_x is whole.test_x
    assert (split.name, split.num_classes, split.target_mean, split.target_std) == ("mine", None, 3.0, 2.0)
    assert len(whole.train_x) == 20
    assert whole.validation_x is None


def test_split_validation_is_stratified_and_decided_by_the_seed():
    first, again, other = (classification().split_validation(0.4, seed) for seed in (0, 0, 1))
    assert first.validation_y is not None
    assert first.validation_x is not None
    assert again.validation_x is not None
    assert other.validation_x is not None
    assert torch.bincount(first.validation_y).tolist() == [2, 2, 2, 2]
    assert torch.equal(first.validation_x, again.validation_x)
    assert not torch.equal(first.validation_x, other.validation_x)


def test_split_validation_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    classification().split_validation(0.4, seed=0)
    assert torch.equal(torch.rand(3), expected)


def test_a_second_split_is_refused():
    with pytest.raises(DataError, match="has a validation part already"):
        classification().split_validation(0.4, seed=0).split_validation(0.4, seed=0)


def test_limited_keeps_whole_rows_of_the_training_part_alone():
    whole = regression().split_validation(0.25, seed=3)
    some = whole.limited(7, seed=1)
    assert len(some.train_x) == 7
    assert torch.equal(some.train_x[:, 0], 2 * some.train_y)  # row i is (2 i, 2 i + 1) and its target i
    assert set(some.train_y.tolist()) < set(whole.train_y.tolist())
    assert some.validation_x is whole.validation_x
    assert some.test_x is whole.test_x
    assert torch.equal(whole.limited(4, seed=1).train_y, some.train_y[:4])
    assert torch.equal(whole.limited(15, seed=1).train_y.sort().values, whole.train_y.sort().values)
    assert not torch.equal(whole.limited(7, seed=2).train_y, some.train_y)


def test_every_row_is_kept_equally_often_over_seeds():
    times, seeds, whole = torch.zeros(20), 2000, regression()
    for seed in range(seeds):
        times[whole.limited(6, seed).train_y.long()] += 1
    # Binomial with probability 0.3; four standard errors.
    assert ((times / seeds - 0.3).abs() < 4 * (0.3 * 0.7 / seeds) ** 0.5).all()


@pytest.mark.parametrize("n", [0, -1, 16])
def test_a_limit_out_of_range_is_refused_with_the_number_that_there_is(n):
    with pytest.raises(ConfigError, match=r"mine: a limit of .* the training part has 15, the validation part not counted"):
        regression().split_validation(0.25, seed=3).limited(n, seed=0)


def test_label_noise_is_in_the_training_labels_alone_and_decided_by_the_seed():
    whole = classification().split_validation(0.2, seed=0)
    noisy = whole.with_label_noise(0.5, seed=4)
    assert int((noisy.train_y != whole.train_y).sum()) == 8
    assert noisy.validation_y is whole.validation_y
    assert noisy.test_y is whole.test_y
    assert noisy.train_x is whole.train_x
    assert torch.equal(whole.with_label_noise(0.5, seed=4).train_y, noisy.train_y)
    assert not torch.equal(whole.with_label_noise(0.5, seed=5).train_y, noisy.train_y)
    assert torch.equal(whole.with_label_noise(0.0, seed=4).train_y, whole.train_y)
    with pytest.raises(LabelError, match="mine: label noise needs classes"):
        regression().with_label_noise(0.1, seed=0)


def test_limit_and_noise_leave_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    classification().limited(9, seed=0).with_label_noise(0.3, seed=0)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_x": torch.zeros(19, 2)}, "training part: x has 19 rows and y has 20"),
        ({"test_x": torch.full((5, 2), float("nan"))}, "test part: x is NaN or infinite in row 0"),
        ({"test_x": torch.zeros(0, 2), "test_y": torch.zeros(0, dtype=torch.int64)}, "test part: empty"),
        ({"test_x": torch.zeros(5, 3)}, r"test part: a row of x has shape \(3,\), but \(2,\)"),
        ({"train_x": torch.zeros(20, 2, dtype=torch.int32)}, "training part: x must be a float"),
        ({"validation_x": torch.zeros(2, 2)}, "both validation_x and validation_y"),
        ({"validation_y": torch.tensor([1])}, "both validation_x and validation_y"),
        ({"validation_x": torch.zeros(2, 2), "validation_y": torch.tensor([1])}, "validation part: x has 2 rows"),
        ({"target_std": 0.0}, "target_std must be positive"),
        ({"target_std": float("nan")}, "target_std must be positive"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(changes, message):
    with pytest.raises(DataError, match=f"mine.*{message}"):
        classification(**changes)


def test_regression_targets_of_unequal_shape_are_refused():
    with pytest.raises(DataError, match=r"test part: a row of y has shape \(1,\), but \(\)"):
        regression(test_y=torch.zeros(5, 1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_classes": 3}, "training part: row 3 has label 3; labels run from 0 to 2"),
        ({"test_y": torch.tensor([0, 1, -1, 0, -2])}, "test part: row 2 has label -1"),
        ({"train_y": torch.zeros(20)}, "training part: labels must be an int64 tensor"),
        ({"train_y": torch.zeros(20, 1, dtype=torch.int64)}, "one label a row"),
        ({"num_classes": 1}, "at least 2 classes"),
        ({"num_classes": None}, "regression needs float targets"),
    ],
)
def test_targets_that_do_not_fit_the_classes_are_refused(changes, message):
    with pytest.raises(LabelError, match=f"mine.*{message}"):
        classification(**changes)
