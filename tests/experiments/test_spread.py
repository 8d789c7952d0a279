"""How means and ranges are written."""

from experiments.spread import spread


def test_a_spread_is_the_mean_and_the_ends() -> None:
    assert spread([1.0, 2.0, 6.0], ".1f") == "3.0 (1.0 to 6.0)"
    assert spread([14, 16, 15], ".1f") == "15.0 (14 to 16)"
    assert spread([3, 3], ".1f") == "3.0"
