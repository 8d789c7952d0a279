"""Ensembles of MAP fits in one vmapped pass."""
