"""Guided MAP, SVI and ensemble on the UCI regression sets with standard splits."""
