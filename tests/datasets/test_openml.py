"""A stand-in for openml.org: the five answers that scikit-learn asks for, made here."""

import hashlib
import io
import json
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bayes_guided.datasets import load_openml, split_rows
from bayes_guided.exceptions import ConfigError, DataFileError, DownloadError

ROWS = [(1.0, 10.0, "b", 0.5), (2.0, 30.0, "a", 1.5), (4.0, 20.0, "a", 2.5), (3.0, 50.0, "b", 4.5), (7.0, 40.0, "c", 3.5)] * 4
ATTRIBUTES = {"height": "NUMERIC", "weight": "NUMERIC", "kind": "{c,b,a}", "price": "REAL"}


def arff(rows: list[tuple[Any, ...]] = ROWS) -> bytes:
    head = "".join(f"@ATTRIBUTE {name} {kind}\n" for name, kind in ATTRIBUTES.items())
    return f"@RELATION small\n{head}@DATA\n{''.join(','.join(map(str, row)) + chr(10) for row in rows)}".encode()


class Answer(io.BytesIO):
    """What urlopen returns, as far as scikit-learn looks at it."""

    def info(self) -> dict[str, str]:
        return {}


def stand_in(content: bytes, *, digest: str | None = None, target: str = "kind", ignore: tuple[str, ...] = ()) -> Callable:
    """An urlopen that answers for data set 7, "small" in version 1, and for no other."""
    features = [
        {
            "index": str(index),
            "name": name,
            "data_type": "nominal" if kind.startswith("{") else "numeric",
            "is_target": str(name == target).lower(),
            "is_ignore": str(name in ignore).lower(),
            "is_row_identifier": "false",
            "number_of_missing_values": "0",
        }
        for index, (name, kind) in enumerate(ATTRIBUTES.items())
    ]
    description = {
        "id": "7",
        "name": "small",
        "version": "1",
        "status": "active",
        "description": "made here",
        "format": "ARFF",
        "file_id": "70",
        "url": "https://www.openml.org/data/v1/download/70/small.arff",
        "md5_checksum": digest or hashlib.md5(content).hexdigest(),
        "default_target_attribute": target,
    }
    listed = {"did": 7, "name": "small", "version": 1, "status": "active"}
    answers: dict[str, Any] = {
        "/data/list/data_name/small/limit/2/data_version/1": {"data": {"dataset": [listed]}},
        "/data/features/7": {"data_features": {"feature": features}},
        "/data/qualities/7": {"data_qualities": {"quality": [{"name": "NumberOfInstances", "value": str(len(ROWS))}]}},
        "/api/v1/json/data/7": {"data_set_description": description},
    }

    def urlopen(request: Any, *_: Any, **__: Any) -> Answer:
        url = request.full_url
        for end, answer in answers.items():
            if url.endswith(end):
                return Answer(json.dumps(answer).encode())
        if url.endswith("small.arff"):
            return Answer(content)
        raise urllib.error.HTTPError(url, 412, "no such data set", {}, io.BytesIO(b"{}"))  # pyright: ignore[reportArgumentType]

    return urlopen


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable], None]:
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    monkeypatch.setattr("sklearn.datasets._openml.time.sleep", lambda seconds: None)
    return lambda urlopen: monkeypatch.setattr("sklearn.datasets._openml.urlopen", urlopen)


def test_classification_takes_openml_s_target_and_numbers_its_classes(serve: Callable) -> None:
    serve(stand_in(arff(), ignore=("price",)))
    data = load_openml("small", version=1, task="classification", test_fraction=0.25, seed=3)
    labels = torch.tensor([1, 0, 0, 1, 2] * 4)
    train, test = split_rows(labels, 0.25, 3)
    assert data.train_y.tolist() == labels[train].tolist()
    assert data.test_y.tolist() == labels[test].tolist()
    x = np.array([row[:2] for row in ROWS])
    kept = x[train.numpy()]
    np.testing.assert_allclose(data.test_x, (x[test.numpy()] - kept.mean(0)) / kept.std(0), rtol=1e-5, atol=1e-6)
    assert (data.name, data.num_classes) == ("small", 3)


def test_regression_on_a_named_target(serve: Callable) -> None:
    serve(stand_in(arff(), ignore=("kind",)))
    data = load_openml("small", version=1, task="regression", target="price", seed=1)
    prices = torch.tensor([row[3] for row in ROWS])
    _, test = split_rows(prices, 0.2, 1)
    np.testing.assert_allclose(data.test_y * data.target_std + data.target_mean, prices[test], rtol=1e-5)
    assert data.train_x.shape == (16, 2)
    assert data.num_classes is None


def test_what_was_fetched_once_needs_no_network(serve: Callable) -> None:
    serve(stand_in(arff(), ignore=("price",)))
    first = load_openml("small", version=1, task="classification")
    serve(unreachable)
    again = load_openml("small", version=1, task="classification")
    assert torch.equal(first.train_x, again.train_x)


def unreachable(*_: Any, **__: Any) -> Answer:
    raise urllib.error.URLError("Name or service not known")


def failing(request: Any, *_: Any, **__: Any) -> Answer:
    raise urllib.error.HTTPError(request.full_url, 503, "Service Unavailable", {}, io.BytesIO())  # pyright: ignore[reportArgumentType]


@pytest.mark.filterwarnings("ignore:A network error occurred")
@pytest.mark.parametrize(("urlopen", "message"), [(unreachable, "cannot be reached.*load_csv"), (failing, "answered 503")])
def test_without_a_network_the_error_says_so(serve: Callable, urlopen: Callable, message: str) -> None:
    serve(urlopen)
    with pytest.raises(DownloadError, match=f"'small' version 1: openml.org {message}"):
        load_openml("small", version=1, task="classification")


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (arff(), {"version": 2}, "'small' version 2: cannot be read.*not found"),
        (arff(), {"target": "colour"}, "cannot be read.*colour"),
        (arff(), {"target": "price", "task": "regression"}, "column 'kind' is not numeric, its first value is 'b'"),
        (arff(), {"target": "kind", "task": "regression"}, "column 'kind' is not numeric"),
        (arff([("?", *row[1:]) for row in ROWS]), {}, "column 'height' has no finite number in row 0"),
        (arff([(*row[:2], "?", row[3]) for row in ROWS]), {}, "column 'kind' has no class in row 0"),
        (arff([(*row[:2], "a", row[3]) for row in ROWS]), {}, "column 'kind' has the one value 'a'"),
        (b"not an ARFF file", {}, "cannot be read"),
    ],
)
def test_what_no_fit_could_use_is_named(serve: Callable, content: bytes, options: dict[str, Any], message: str) -> None:
    serve(stand_in(content))
    with pytest.raises(DataFileError, match=message):
        load_openml("small", **{"version": 1, "task": "classification", **options})


def test_fractional_classes_are_refused(serve: Callable) -> None:
    serve(stand_in(arff(), target="price", ignore=("kind",)))
    with pytest.raises(DataFileError, match="column 'price' holds numbers that are not whole"):
        load_openml("small", version=1, task="classification")


@pytest.mark.filterwarnings("ignore")
def test_a_file_that_misses_openml_s_checksum_is_refused(serve: Callable) -> None:
    serve(stand_in(arff(), digest="0" * 32))
    with pytest.raises(DataFileError, match="md5 checksum"):
        load_openml("small", version=1, task="classification")


def test_an_unknown_task_is_refused_before_anything_is_fetched(serve: Callable) -> None:
    serve(unreachable)
    with pytest.raises(ConfigError, match="unknown task 'ranking'"):
        load_openml("small", version=1, task="ranking")
