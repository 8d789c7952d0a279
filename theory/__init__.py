"""The independent oracle: closed forms in NumPy and SciPy, each with proof and check. Never imports bayes_guided."""
