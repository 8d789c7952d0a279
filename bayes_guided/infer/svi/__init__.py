"""Variational inference under continuous guided priors."""
