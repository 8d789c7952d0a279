"""The command `bayes-guided`: it parses, calls, prints."""

from collections.abc import Sequence
from importlib.metadata import version
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType
from typer.core import TyperGroup

from bayes_guided import sweep_cli
from bayes_guided.comparison import comparison_table
from bayes_guided.config import CompareSettings, load_config, load_prior_config
from bayes_guided.config.loading import validated
from bayes_guided.exceptions import BayesGuidedError
from bayes_guided.prior_summary import prior_summary
from bayes_guided.report import run_report, write_report
from bayes_guided.run import RunResult, compare_runs, draw_run, reduce_run, show_prior
from bayes_guided.run import run as do_run
from bayes_guided.summary import summary_table


class _Refusals(TyperGroup):
    """Shows the package's own refusals as one line on stderr and exits with 2; bugs keep their traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BayesGuidedError as error:
            message = f"error: {' '.join(str(error).split())}"
            Console(stderr=True).print(message, style="red", markup=False, highlight=False, soft_wrap=True)
            raise typer.Exit(2) from error


app = typer.Typer(
    cls=_Refusals,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Bayesian model selection over sub-architectures of a neural network.",
)

app.add_typer(sweep_cli.app, name="sweep")

Config = Annotated[Path, typer.Argument(metavar="CONFIG.yaml", help="The settings.")]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", metavar="DIR", help="Where relative data paths of the configuration lie.")
]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a setting, such as prior.strength=5.")
]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="The run folder; runs/NAME without it.")]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.")]


def _show_version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"bayes-guided {version('bayes-guided')}")
        raise typer.Exit
    return wanted


@app.callback()
def main(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Bayesian model selection over sub-architectures of a neural network."""


@app.command()
def demo(
    out: Out = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of initial weights and data order.")] = 0,
) -> None:
    """The main job on scikit-learn's handwritten digits: a guided fit, a smaller network, figures, a report."""
    name = "demo" if seed == 0 else f"demo-seed{seed}"
    with as_file(files("bayes_guided") / "configs" / "demo.yaml") as path:
        folder = _run(path, out, None, [f"seed={seed}", f"name={name}"])
    _print([f"report: {run_report(folder)}"])


@app.command()
def fit(config: Config, out: Out = None, data_dir: DataDir = None, overrides: Overrides = None) -> None:
    """Fit a network under a guided prior, reduce it and refit it, as a configuration says."""
    _run(config, out, data_dir, overrides or [])


@app.command()
def prior(
    config: Config,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Where to; priors/NAME without it.")] = None,
    data_dir: DataDir = None,
    overrides: Overrides = None,
) -> None:
    """Show a prior over models without any fit: survivals, widths, the most probable models, entropy, figures."""
    settings = load_prior_config(config, overrides=overrides or [], data_dir=data_dir)
    folder = out or Path("priors") / settings.name
    _print([*prior_summary(show_prior(settings, folder)), f"written to {folder}"])


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of finished runs.")],
    reading: Annotated[str | None, typer.Option(help="map, threshold, shrinkage, evidence or inclusion.")] = None,
    tau: Annotated[float | None, typer.Option(help="The threshold of the row norm.")] = None,
    curvature: Annotated[float | None, typer.Option(help="Of the data per weight; measured by the run without it.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE.nc", help="Write the comparison as NetCDF.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Put the prior over models beside the posterior survival of every unit, for one run or several."""
    asked = {"reading": reading, "tau": tau, "curvature": curvature}
    given = {name: value for name, value in asked.items() if value is not None}
    settings = validated(CompareSettings, given, source="the command line", overrides=[]) if given else None
    found = compare_runs(runs, settings)
    if out is not None:
        found.to_netcdf(out, force=force)
    notes = [f"{name}: {note}" if name else note for name, lines in found.notes.items() for note in lines]
    _print([comparison_table(found), *notes, *([f"written to {out}"] if out is not None else [])])


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of finished runs.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="The page; without it RUN/report.html, of several runs report.html."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Write one HTML page on a finished run, or on several side by side: prior, result, figures, warnings, provenance."""
    typer.echo(write_report(runs, out, force=force))


@app.command()
def plot(run: Run) -> None:
    """Draw the figures of a finished run again."""
    for path in draw_run(run):
        typer.echo(path)


@app.command()
def reduce(
    run: Run,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Where to; RUN/reduced without it.")] = None,
) -> None:
    """Write the reduced network of a finished run."""
    typer.echo(reduce_run(run, out))


def _run(path: Path, out: Path | None, data_dir: Path | None, overrides: Sequence[str]) -> Path:
    config = load_config(path, overrides=overrides, data_dir=data_dir)
    result = do_run(config, out or Path("runs") / config.name)
    _show(result)
    return result.folder


def _show(result: RunResult) -> None:
    found = f"{result.folder} holds this very run, complete: shown, not repeated."
    parts = [summary_table(result.metrics), result.metrics.approximation, f"written to {result.folder}"]
    _print([*([found] if result.reused else []), *parts])


def _print(parts: Sequence[RenderableType]) -> None:
    console = Console(highlight=False, markup=False)
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, str))
