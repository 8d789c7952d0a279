"""The command `bayes-guided sweep`: run a sweep, or look at one."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from typer.core import TyperGroup

from bayes_guided.exceptions import MissingExtraError


class _RunByDefault(TyperGroup):
    """`sweep CONFIG.yaml` is `sweep run CONFIG.yaml`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_RunByDefault, no_args_is_help=True, help="Many runs of one configuration, in search of the best settings."
)

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder of a sweep: sweeps/NAME.")]
Storage = Annotated[
    str | None, typer.Option("--storage", metavar="URL", help="The storage of its trials, where that needs a password.")
]


@app.command()
def run(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.yaml", help="The settings.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Its folder; sweeps/NAME without it.")] = None,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", metavar="tcp://...", help="A Dask scheduler; local processes without it.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", metavar="DIR", help="Where relative data paths of the configuration lie.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a setting, such as trials=50."),
    ] = None,
) -> None:
    """Do all trials that are not done yet; one that was killed goes on where it was."""
    sweeps = _sweeps()
    sweep = sweeps.load_sweep(config, overrides=overrides or [], data_dir=data_dir)
    folder = out or Path("sweeps") / sweep.config.name
    console = _console()
    total = sweep.config.num_trials
    with Live(console=console, auto_refresh=False, transient=True) as live:

        def watch(store: Any, workers: int) -> None:
            live.update(sweeps.progress_table(store, total, workers), refresh=True)

        result = sweeps.run_sweep(sweep, folder, scheduler=scheduler, watch=watch if console.is_terminal else None)
    console.print(sweeps.progress_table(result.store, total))
    if any(trial.state == "failed" for trial in result.store.trials()):
        console.print(f"`sweep status {folder}` says why trials failed", highlight=False, soft_wrap=True)
    console.print(f"written to {folder}", markup=False, highlight=False, soft_wrap=True)


@app.command()
def status(folder: Folder, storage: Storage = None) -> None:
    """Show every trial of a sweep, running or not."""
    sweeps = _sweeps()
    _console().print(sweeps.trials_table(sweeps.read_sweep(folder, storage).trials()))


@app.command()
def best(folder: Folder, storage: Storage = None) -> None:
    """Show the front, and which settings matter."""
    sweeps = _sweeps()
    store = sweeps.read_sweep(folder, storage)
    importance = sweeps.importance_table(store)
    console = _console()
    console.print(sweeps.front_table(store))
    console.print("too few trials to say which settings matter" if importance is None else importance)


@app.command()
def report(
    folder: Folder,
    storage: Storage = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="The page; FOLDER/report.html without it.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite pages that are there.")] = False,
) -> None:
    """Write a page on the sweep, front, paths and importances, and one on the runs of its front."""
    sweeps = _sweeps()
    written = sweeps.write_sweep_report(sweeps.read_sweep(folder, storage), folder, out, force=force)
    for page in (written.page, written.runs):
        if page is not None:
            typer.echo(page)


def _console() -> Console:
    """Square brackets in settings and error messages are text, not rich's markup."""
    return Console(markup=False)


def _sweeps() -> Any:
    """The package's sweeps, whose libraries are an extra."""
    try:
        from bayes_guided import sweep  # here, since only this command needs them
    except ImportError as error:
        raise MissingExtraError(f"sweeps need the extra 'sweep' ({error}): pip install 'bayes-guided[sweep]'.") from error
    return sweep
