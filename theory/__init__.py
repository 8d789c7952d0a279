"""The independent oracle: closed forms in NumPy and SciPy, each with its proof and its own check. Never imports bayes_guided."""
