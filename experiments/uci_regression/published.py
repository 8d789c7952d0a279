"""The published numbers beside which the measured ones stand.

Mean and standard error over 20 splits, with 50 hidden units, as the readme of github.com/yaringal/DropoutUncertaintyExps gives
them; "paper" is table 1 of [GalGhahramani2016].
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """Means and their standard errors, in the data's own units (RMSE; log density in nats per case)."""

    rmse: float
    rmse_error: float
    log_density: float
    log_density_error: float


@dataclass(frozen=True)
class SplitLog:
    """RMSE of one published run, split by split from split 0 on."""

    run: str
    rmse: tuple[float, ...]


UNITS = 50
"""Hidden units of the published networks."""

PAPER, LONGER = "MC dropout, paper", "MC dropout, 10x epochs"

PUBLISHED = {
    "yacht": {PAPER: Published(1.11, 0.09, -1.55, 0.03), LONGER: Published(0.72, 0.06, -1.38, 0.01)},
    "energy": {PAPER: Published(1.66, 0.04, -1.99, 0.02), LONGER: Published(1.09, 0.05, -1.72, 0.02)},
    "concrete": {PAPER: Published(5.23, 0.12, -3.04, 0.02), LONGER: Published(4.81, 0.14, -2.94, 0.02)},
    "power-plant": {PAPER: Published(4.02, 0.04, -2.80, 0.01), LONGER: Published(4.00, 0.04, -2.79, 0.01)},
}

# Of UCI_Datasets/SET/results in the same repository: for energy and concrete results_10x_epochs/test_MC_rmse.txt, with the
# readme's means over all twenty; for power-plant test_MC_rmse_100_xepochs_1_hidden_layers.txt, with a mean of 4.01.
SPLIT_LOGS = {
    "energy": SplitLog(LONGER, (0.797, 1.007, 0.956, 1.369, 0.980)),
    "concrete": SplitLog(LONGER, (5.443, 4.424, 4.381, 4.869, 6.014)),
    "power-plant": SplitLog("MC dropout, 100x epochs", (4.190, 3.771, 3.982, 4.178, 4.187)),
}
