"""Markov chains over weights, and over models."""
