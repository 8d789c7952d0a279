"""The record of a fit, epoch by epoch."""

import json

import pytest

from bayes_guided.infer import Epoch, History


def test_columns_and_round_trip():
    first = Epoch(loss=0.1 + 0.2, nll=1e-300, error=0.5, widths={"a": 4, "b": 2}, validation_error=0.25)
    second = Epoch(loss=2.0, nll=1.5, error=0.25, widths={"a": 3, "b": 2}, validation_error=0.125)
    empty = History()
    history = empty.then(first).then(second)
    assert (len(empty), len(history)) == (0, 2)
    assert history.losses == [0.1 + 0.2, 2.0]
    assert history.errors == [0.5, 0.25]
    assert history.validation_errors == [0.25, 0.125]
    assert history.widths == {"a": [4, 3], "b": [2, 2]}
    assert History.from_json(json.loads(json.dumps(history.to_json()))) == history


def test_an_empty_history_and_one_without_validation():
    assert History().widths == {}
    assert History().validation_errors is None
    assert History().then(Epoch(1.0, 1.0, 0.0, {})).validation_errors is None


def test_records_are_frozen():
    epoch = Epoch(1.0, 1.0, 0.0, {})
    history = History().then(epoch)
    with pytest.raises(AttributeError):
        history.epochs = ()  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(AttributeError):
        epoch.loss = 0.0  # pyright: ignore[reportAttributeAccessIssue]
