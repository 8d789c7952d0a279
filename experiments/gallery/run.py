"""Draws every plot of the package from the stored results, into figures/, which the README shows.

python -m experiments.gallery.run [--compute [NAME ...]]
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from matplotlib.figure import Figure

from bayes_guided.plots.style import styled

from . import curves, fits
from .pages import PAGES
from .storage import store

HERE = Path(__file__).parent
RESULTS = ("map", "spike_and_slab", "deep", "chain", "readings", "path", "occam", "calibration", "prior")
DOTS_PER_INCH = 150


def main(arguments: Sequence[str] | None = None) -> int:
    """Computes what is asked for, then draws all; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--compute", nargs="*", metavar="NAME", help=f"compute results anew: all, or some of {', '.join(RESULTS)}"
    )
    options = parser.parse_args(arguments)
    if options.compute is not None:
        config = yaml.safe_load((HERE / "config.yaml").read_text())
        for name in options.compute or RESULTS:
            compute(name, config)
    for name, draw in PAGES.items():
        write(draw(), HERE / "figures" / f"{name}.png")
    return 0


def compute(name: str, config: dict[str, Any]) -> None:
    """Computes and stores one result; minutes for all of them on one core."""
    seed = config["seed"]
    if name == "map":
        fit, comparison = fits.fit_map(config["map"], seed)
        store("map", comparison)
        store("history", {"fit": fit.history, "refit": None if fit.refit is None else fit.refit.history})
    elif name in ("spike_and_slab", "deep", "chain"):
        store(name, getattr(fits, f"fit_{name}")(config[name], seed))
    elif name == "path":
        store(name, [curves.path(config[name], profile, seed) for profile in config[name]["profiles"]])
    elif name in ("occam", "calibration"):
        store(name, getattr(curves, name)(config[name], seed))
    elif name == "readings":
        store(name, curves.readings(config[name]))
    else:
        store(name, curves.prior_of_widths())


@styled
def write(figure: Figure, path: Path) -> None:
    """As PNG, without dates and versions, so that the same figure gives the same file."""
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})


if __name__ == "__main__":
    sys.exit(main())
