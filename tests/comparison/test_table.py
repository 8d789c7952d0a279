"""The table of the command line."""

from rich.console import Console

import bayes_guided as bg
from bayes_guided.comparison import comparison_table, side_by_side

from .fakes import IndependentFit, MarginalFit, independent_prior, product_table, small_architecture, table_fit


def printed(comparison, *, markup=True):
    console = Console(width=110, markup=markup)
    with console.capture() as capture:
        console.print(comparison_table(comparison))
    return capture.get()


def lines(text, group):
    return [line.replace("│", " ").split() for line in text.splitlines() if f" {group} " in line]


def test_one_line_per_group_and_one_for_all():
    prior = independent_prior(small_architecture(4, 2), [0.0] * 6)
    survival = [0.999, 0.75, 0.5, 0.001, 0.5, 0.5]
    fit = table_fit(prior, *product_table(survival), kind=IndependentFit)
    text = printed(bg.compare(prior, fit))
    assert "reading: inclusion" in text
    first = lines(text, "layers.0")[0]
    assert first[:7] == ["layers.0", "4", "2", "2.25", f"{int(fit.sub_architecture().widths['layers.0'])}", "1", "1"]
    assert lines(text, "all groups")[0][2:5] == ["6", "3", "3.25"]
    assert ">" not in text


def test_a_bound_is_marked_and_several_fits_have_their_names():
    prior = independent_prior(small_architecture(4, 2), [0.0] * 6)
    marginal = bg.compare(prior, table_fit(prior, *product_table([0.9] * 6), kind=MarginalFit))
    text = printed(side_by_side({"first": marginal, "second": marginal}))
    assert text.count("> 1.472") == 2  # 4 (log 2 - H(0.9))
    assert "first" in text
    assert "second" in text


def test_names_are_no_markup():
    prior = independent_prior(small_architecture(4, 2), [0.0] * 6)
    comparison = bg.compare(prior, table_fit(prior, *product_table([0.9] * 6), kind=IndependentFit))
    table = side_by_side({"[red]": comparison, "[/b]": comparison})
    for markup in (True, False):
        assert [line.split()[1] for line in printed(table, markup=markup).splitlines() if "[" in line] == ["[red]", "[/b]"]
