"""Tables for plots, made up."""

import torch

from bayes_guided.analysis.laplace import LaplaceEvidence, evidence_table
from bayes_guided.analysis.occam import OccamCurve, occam_curve_of
from bayes_guided.analysis.reading_curves import ReadingCurves
from bayes_guided.analysis.regularisation import RegularisationPath
from bayes_guided.analysis.sbc import CalibrationTable, calibration_of_laws


def occam(sizes: list[int], scale: float = 1.0) -> OccamCurve:
    """Fits that saturate, Occam factors and priors that fall with size."""
    models = {
        f"{place}: {size}": LaplaceEvidence(-scale * (30 / size + place / 7), -scale * size, size, "made up")
        for place, size in enumerate(sizes)
    }
    return occam_curve_of(evidence_table(models), sizes, [-0.5 * size for size in sizes])


def readings() -> ReadingCurves:
    """Two thresholds and the two readings of a curvature, over 40 units."""
    odds = torch.stack([torch.linspace(first, last, 40).double() for first, last in ((300, 80), (9, 1), (8, -8), (6, -40))])
    names = ("threshold", "threshold", "shrinkage", "evidence")
    return ReadingCurves("features.0.conv1", names, ("threshold 0.1", "threshold 1", "shrinkage 9", "evidence 9"), odds, {})


def path(name: str, shift: float = 0.0, *, evidence: bool = True) -> RegularisationPath:
    """Five strengths."""
    strengths = torch.tensor([0.1, 0.3, 1.0, 3.0, 10.0], dtype=torch.float64)
    widths = {"layers.0": torch.tensor([64, 60, 40, 20, 3]), "layers.1": torch.tensor([32, 30, 22, 11, 2])}
    error = torch.tensor([0.05, 0.04, 0.035, 0.05, 0.2], dtype=torch.float64) + shift / 100
    values = torch.tensor([-300.0, -250.0, -210.0, -220.0, -400.0], dtype=torch.float64) + 10 * shift
    return RegularisationPath(name, strengths, widths, error, values if evidence else None)


def calibration(shift: float = 0.0, sets: int = 200) -> CalibrationTable:
    """Units present with probability 0.3, believed to be so up to a shift."""
    generator = torch.Generator().manual_seed(0)
    present = torch.rand(sets, 6, generator=generator) < 0.3
    belief = torch.full((sets, 6), 0.3 + shift, dtype=torch.float64)
    law = torch.ones(1, dtype=torch.float64)
    for probability in belief[0]:
        law = torch.cat([law * (1 - probability), torch.zeros(1)]) + torch.cat([torch.zeros(1), law * probability])
    uniform = torch.rand(sets, generator=generator)
    return calibration_of_laws("structured", present, belief, law.expand(sets, -1), uniform)
