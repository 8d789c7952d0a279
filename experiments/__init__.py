"""Experiments: each folder asks one question of bayes_guided and answers it with numbers that it measured."""
