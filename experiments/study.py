"""One way to run an experiment of many fits: cases, a measurement of each, tables and figures from what is stored.

Every experiment made of this has the same command line:

    python -m experiments.NAME.run [--data-dir DIR] [--workers N] [--minutes M] [--quick | --draw]

`config.yaml` beside it has `settings` (what all cases share), `grid` (what they differ in: the experiment makes the cases of
it) and `quick` (what `--quick` replaces in both). `results.json` is written after every case, so a stopped experiment goes on.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

from bayes_guided.datasets import data_folder

from .cases import Measure, Row, measure_all


class StudyError(Exception):
    """The stored results are of other settings than those in config.yaml."""


@dataclass(frozen=True)
class Study:
    """An experiment: `cases` of a grid, `measure(case, settings, data_dir)`, and what is shown of the rows.

    A row is a case with what was measured of it and `cpu_seconds` (a case has one thread, so on a quiet machine its wall
    time). `tables` gives Markdown by the name of the markers `<!-- name -->` and `<!-- /name -->` in README.md; `draw`
    writes figures into a folder.
    """

    here: Path
    cases: Callable[[dict[str, Any]], list[Row]]
    measure: Measure
    tables: Callable[[list[Row]], dict[str, str]]
    draw: Callable[[list[Row], Path], None] | None = None

    @property
    def results(self) -> Path:
        """Where the rows are stored."""
        return self.here / "results.json"

    def load(self) -> list[Row]:
        """The stored rows, in the order of the cases; none if nothing was run.

        Raises:
            StudyError: if they were measured with other settings than config.yaml has now, or are of another grid.
        """
        if not self.results.exists():
            return []
        stored = json.loads(self.results.read_text())
        settings, _ = self.config(quick=False)
        if stored["settings"] != settings:
            names = settings.keys() | stored["settings"].keys()
            differ = ", ".join(sorted(name for name in names if settings.get(name) != stored["settings"].get(name)))
            raise StudyError(f"{self.results} was measured with other settings ({differ}): delete it to measure again.")
        place = self._place()
        for row in stored["rows"]:
            if place(row) is None:
                raise StudyError(f"{self.results} has a case that is not in the grid: {row}; put it back or delete the file.")
        return stored["rows"]

    def config(self, quick: bool) -> tuple[dict[str, Any], dict[str, Any]]:
        """The settings and the grid of config.yaml, as JSON has them."""
        config = yaml.safe_load((self.here / "config.yaml").read_text())
        parts = [config[name] | (config["quick"].get(name, {}) if quick else {}) for name in ("settings", "grid")]
        settings, grid = json.loads(json.dumps(parts))
        return settings, grid

    def store(self, rows: list[Row]) -> None:
        """Writes results.json whole, or leaves the one that is there."""
        settings, _ = self.config(quick=False)
        rows.sort(key=self._place())
        lines = ",\n".join(f"  {json.dumps(row)}" for row in rows)
        beside = self.results.with_suffix(".new")
        beside.write_text(f'{{\n "settings": {json.dumps(settings)},\n "rows": [\n{lines}\n ]\n}}\n')
        beside.replace(self.results)

    def _place(self) -> Callable[[Row], Any]:
        """The place of a row's case in the grid of config.yaml; None of a case that is not in it."""
        cases = self.cases(self.config(quick=False)[1])
        places = {_key(case, case): place for place, case in enumerate(cases)}
        return lambda row: places.get(_key(row, cases[0]))

    def show(self, rows: list[Row]) -> None:
        """Fills the README's tables and draws the figures."""
        readme = self.here / "README.md"
        readme.write_text(self.filled(readme.read_text(), rows))
        if self.draw is not None:
            self.draw(rows, self.here)

    def filled(self, readme: str, rows: list[Row]) -> str:
        """The README's text with the tables of these rows."""
        for name, text in self.tables(rows).items():
            before, rest = readme.split(f"<!-- {name} -->")
            readme = f"{before}<!-- {name} -->\n{text}\n<!-- /{name} -->{rest.split(f'<!-- /{name} -->')[1]}"
        return readme

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """The command line."""
        given = _parse(arguments, self.here.name)
        if given.draw:
            self.show(self.load())
            return 0
        settings, grid = self.config(given.quick)
        rows = [] if given.quick else self.load()
        cases = self.cases(grid)
        done = {_key(row, cases[0]) for row in rows}
        left = [case for case in cases if _key(case, case) not in done]
        folder = data_folder(given.data_dir)
        measured = measure_all(self.measure, left, settings, folder, workers=given.workers, minutes=given.minutes)
        for row in tqdm(measured, total=len(left), desc=self.here.name, unit="case"):
            rows.append(row)
            if not given.quick:
                self.store(rows)
        if given.quick:
            print("\n\n".join(self.tables(rows).values()))
        else:
            self.show(rows)
        return 0


def _parse(arguments: Sequence[str] | None, name: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m experiments.{name}.run")
    parser.add_argument("--data-dir", type=Path, help="folder with the data sets; default BAYES_GUIDED_DATA")
    parser.add_argument("--workers", type=int, default=1, help="processes of one thread each")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no further case after so many minutes")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--quick", action="store_true", help="a few small cases, printed, nothing written")
    chosen.add_argument("--draw", action="store_true", help="nothing measured: tables and figures from results.json")
    return parser.parse_args(arguments)


def _key(row: Row, names: Iterable[str]) -> str:
    """What tells a row's case from others: its values under these names."""
    return json.dumps({name: row[name] for name in names}, sort_keys=True)
