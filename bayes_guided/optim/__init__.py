"""Optimisers that make any training loop guided."""

from .proximal_adam import ProximalAdam as ProximalAdam
