"""Variational inference of spike and slab priors: a posterior over models."""
