"""Costs, as ratios of medians within one run."""
