"""How a run was made, and how its reduced network is had back."""

from bayes_guided.config import to_yaml

from .numbers import NONE, number, percent
from .reported_run import ReportedRun
from .tables import Table


def provenance(run: ReportedRun) -> Table:
    """Method, seed, budget, time, memory and versions."""
    metrics = run.metrics
    rows = [
        ["folder", str(run.path)],
        ["method", metrics.method],
        *_data(run),
        ["seed", str(metrics.seed)],
        ["device", run.config.device],
        ["epochs", f"{metrics.epochs:,}" + (f" and {metrics.refit_epochs:,} of refitting" if metrics.refit_epochs else "")],
        ["seconds of fit and refit", number(metrics.seconds, 3)],
        ["seconds of the unguided fit", NONE if metrics.seconds_unguided is None else number(metrics.seconds_unguided, 3)],
        ["seconds in all", number(metrics.seconds_total, 3)],
        ["peak memory (MiB)", number(round(metrics.peak_memory_mb))],
        *([name, version] for name, version in metrics.versions.items()),
    ]
    return Table("How it was run.", ["", ""], rows)


def _data(run: ReportedRun) -> list[list[str]]:
    """The source of the data, and what was done to its training part on purpose."""
    data = run.config.data
    rows = [["data", data.kind]]
    if data.limit is not None:
        rows.append(["training cases", f"{data.limit:,}, drawn at random (data.limit)"])
    if data.label_noise is not None:
        rows.append(["wrong training labels", f"{percent(data.label_noise)} (data.label_noise)"])
    return rows


def settings_text(run: ReportedRun) -> str:
    """The run's whole configuration as YAML, from which it can be run again."""
    return to_yaml(run.config)


def handover(run: ReportedRun) -> str:
    """Python that loads the reduced network."""
    return (
        "from bayes_guided.architecture import load_reduced\n"
        "from bayes_guided.config import load_config\n"
        "\n"
        f"folder = {str(run.path)!r}\n"
        'full = load_config(f"{folder}/config.yaml").net.build()  # the full-size network; its weights do not matter\n'
        'small = load_reduced(f"{folder}/reduced", full)  # a torch.nn.Module\n'
    )
