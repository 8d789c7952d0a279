import numpy as np
import pytest
import torch

from bayes_guided.datasets import load_csv
from bayes_guided.exceptions import ConfigError, DataFileError

ROWS = 40
RNG = np.random.default_rng(0)
TABLE = np.column_stack([RNG.normal(5, 3, ROWS), np.arange(ROWS), np.full(ROWS, 2.5), RNG.normal(-4, 7, ROWS)])
NAMES = "height,index,constant,weight"


def write(folder, table=TABLE, header: str | None = NAMES):
    path = folder / "mine.csv"
    lines = [",".join(repr(float(cell)) for cell in row) for row in table]
    path.write_text("\n".join([*([header] if header else []), *lines]) + "\n")
    return path


def rows_of(data):
    """The rows that went to each part, recovered from the column that numbers them."""
    # Standardisation keeps the order, and the second column is the row's number: its rank is the row.
    order = torch.cat([data.train_x, data.test_x])[:, 1].argsort().argsort().numpy()
    return order[: len(data.train_x)], order[len(data.train_x) :]


@pytest.mark.parametrize("target", [-1, 3, "weight"])
def test_features_and_target_are_standardised_by_the_training_part(tmp_path, target):
    data = load_csv(write(tmp_path), task="regression", target=target)
    train, test = rows_of(data)
    assert (len(train), len(test)) == (32, 8)
    mean, std = TABLE[train].mean(axis=0), TABLE[train].std(axis=0)
    std[2] = 1.0
    for x, y, rows in ((data.train_x, data.train_y, train), (data.test_x, data.test_y, test)):
        np.testing.assert_allclose(x.numpy(), ((TABLE[rows] - mean) / std)[:, :3], atol=1e-5)
        np.testing.assert_allclose(y.numpy(), ((TABLE[rows] - mean) / std)[:, 3], atol=1e-5)
        np.testing.assert_allclose(y.double() * data.target_std + data.target_mean, TABLE[rows, 3], atol=1e-5)
    assert (data.train_x.dtype, data.train_y.dtype) == (torch.float32, torch.float32)
    assert (data.name, data.num_classes) == ("mine", None)


def test_a_file_without_header_reads_the_same(tmp_path):
    named = load_csv(write(tmp_path), task="regression")
    bare = load_csv(str(write(tmp_path, header=None)), task="regression")
    assert torch.equal(named.train_x, bare.train_x)
    assert torch.equal(named.test_y, bare.test_y)


def test_the_split_is_decided_by_the_seed_and_the_fraction(tmp_path):
    path = write(tmp_path)
    first, again, other = (load_csv(path, task="regression", test_fraction=0.5, seed=seed) for seed in (1, 1, 2))
    assert len(first.test_x) == 20
    assert torch.equal(first.test_x, again.test_x)
    assert set(rows_of(first)[1]) != set(rows_of(other)[1])


def test_labels_are_the_distinct_values_in_order_and_the_split_is_stratified(tmp_path):
    values = np.array([7.0, -1.0, 3.0, 3.0] * 10)
    table = np.column_stack([values, TABLE[:, 1]])
    data = load_csv(write(tmp_path, table, "class,index"), task="classification", target="class")
    assert (data.num_classes, data.train_y.dtype) == (3, torch.int64)
    assert torch.bincount(data.test_y).tolist() == [2, 4, 2]
    index = np.argsort(np.argsort(torch.cat([data.train_x, data.test_x])[:, 0].numpy()))
    labels = torch.cat([data.train_y, data.test_y]).numpy()
    np.testing.assert_array_equal(np.array([-1.0, 3.0, 7.0])[labels], values[index])


def test_another_delimiter_byte_order_mark_blank_lines_and_quotes(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_bytes(b'\xef\xbb\xbf"the target"; b\r\n1;2\r\n\r\n ; \r\n"3";4\r\n5;7\r\n6;0\r\n')
    data = load_csv(path, task="regression", target="the target", delimiter=";", test_fraction=0.5)
    targets = torch.cat([data.train_y, data.test_y]) * data.target_std + data.target_mean
    assert targets.sort().values.tolist() == pytest.approx([1, 3, 5, 6], abs=1e-5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3,x\n", r"column 2 \('b'\), line 3: 'x' is not a number"),
        ("a,b\n\n1,2\n\n , 4\n", r"column 1 \('a'\), line 5: the cell is empty"),
        ("1,2\n3,x\n", "column 2, line 2: 'x' is not a number"),
        ("x,2\n3,4\n", "column 1, line 1: 'x' is not a number"),
        ("a,b\n1,nan\n3,4\n", r"column 2 \('b'\), line 2: 'nan' is not a finite number"),
        ("a,b\n1,2\n-inf,4\n", r"column 1 \('a'\), line 3: '-inf' is not a finite number"),
        ("a,b\n1,2\n3,4,5\n", "line 3 has 3 columns instead of 2"),
        ("1,2\n3\n", "line 2 has 1 columns instead of 2"),
        ("", "has no data rows"),
        ("a,b\n", "has no data rows"),
        ("1\n2\n3\n", "has one column.*delimiter"),
        ('1,2\n"3,4\n', "cannot be read as a table"),
        ("1,2\n3,2\n5,2\n6,2\n7,2\n", "the target is 2 in every training row"),
    ],
)
def test_a_file_that_is_no_table_of_numbers_is_refused(tmp_path, text, message):
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(DataFileError, match=f"mine.csv.*{message}"):
        load_csv(path, task="regression")


def test_a_missing_file_and_another_encoding_are_refused(tmp_path):
    with pytest.raises(DataFileError, match=r"absent\.csv: there is no such file"):
        load_csv(tmp_path / "absent.csv", task="regression")
    (tmp_path / "mine.csv").write_bytes(b"\xff\xfe1\x002")
    with pytest.raises(DataFileError, match=r"mine\.csv: cannot be read"):
        load_csv(tmp_path / "mine.csv", task="regression")


@pytest.mark.parametrize(
    ("target", "header", "message"),
    [
        (4, NAMES, "no column with index 4; it has 4 columns, 0 to 3"),
        (-5, NAMES, "no column with index -5"),
        ("wieght", NAMES, "no column 'wieght'; the nearest is 'weight'"),
        ("weight", None, "no header line"),
        ("a", "a,a,b,c", "2 columns are called 'a'"),
    ],
)
def test_a_wrong_target_is_refused(tmp_path, target, header, message):
    with pytest.raises(DataFileError, match=message):
        load_csv(write(tmp_path, header=header), task="regression", target=target)


def test_targets_that_are_no_labels_are_refused(tmp_path):
    with pytest.raises(DataFileError, match=r"column 4 \('weight'\), line 2: .* is not a whole number"):
        load_csv(write(tmp_path), task="classification")
    table = np.column_stack([TABLE[:, 0], np.full(ROWS, 3.0)])
    with pytest.raises(DataFileError, match=r"column 2: has the one value 3"):
        load_csv(write(tmp_path, table, None), task="classification")


def test_wrong_settings_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"choose one inside \(0, 1\)"):
        load_csv(write(tmp_path), task="regression", test_fraction=1.0)
    for delimiter in ("", ";;"):
        with pytest.raises(ConfigError, match="give one character"):
            load_csv(write(tmp_path), task="regression", delimiter=delimiter)
    with pytest.raises(ConfigError, match="unknown task 'ranking'; choose 'classification' or 'regression'"):
        load_csv(write(tmp_path), task="ranking")
