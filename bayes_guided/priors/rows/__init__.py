"""Priors on rows of weights, and their proximal operators."""
