"""Posterior predictive: means, densities and calibration from draws."""
