"""Priors over models: which units are present."""
