"""Saved fits read back, whatever their method."""

from pathlib import Path

from torch import nn

from bayes_guided.architecture import Architecture
from bayes_guided.architecture.inputs import like_parameters
from bayes_guided.exceptions import CheckpointError
from bayes_guided.files import load_tree
from bayes_guided.infer.ensemble.result import EnsembleFit
from bayes_guided.infer.fit import FIT_FILE, Fit
from bayes_guided.infer.inclusion.result import InclusionFit
from bayes_guided.infer.map.result import MAPFit
from bayes_guided.infer.mcmc.result import MCMCFit
from bayes_guided.infer.mode.result import LaplaceFit
from bayes_guided.infer.svi.result import SVIFit
from bayes_guided.infer.training.history import History
from bayes_guided.infer.training.state import with_state
from bayes_guided.likelihoods import likelihood_from_json
from bayes_guided.priors.storage import prior_from_json

_METHODS: dict[str, type[Fit]] = {fit.method: fit for fit in (MAPFit, MCMCFit, EnsembleFit, LaplaceFit, SVIFit, InclusionFit)}


def load_fit(directory: str | Path, net: nn.Module) -> Fit:
    """Reads a saved fit; `net` is a network of the same class and sizes, whose weights do not matter and do not change.

    Raises:
        CheckpointError: if the file is missing, corrupt, or no fit of this version.
        ArchitectureMismatchError: if the network is not the one that was fitted.
    """
    path = Path(directory) / FIT_FILE
    tree = load_tree(path, kind="fit")
    if tree.get("method") not in _METHODS:
        raise CheckpointError(f"'{path}' holds a fit by the method {tree.get('method')!r}, unknown to this version.")
    fitted = with_state(net, tree["net"])
    architecture = Architecture.from_module(fitted, like_parameters(tree["example_inputs"], fitted), protect=tree["protect"])
    common = {
        "prior": prior_from_json(architecture, tree["prior"]),
        "likelihood": likelihood_from_json(tree["likelihood"]).to(next(fitted.parameters()).device),
        "net": fitted.eval(),
        "history": History.from_json(tree["history"]),
        "seed": tree["seed"],
        "seconds": tree["seconds"],
    }
    return _METHODS[tree["method"]]._from_tree(common, tree["result"])
