"""All readings of survival by all methods on one problem, beside a long Markov chain."""
