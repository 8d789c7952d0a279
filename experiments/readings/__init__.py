"""One guidance under every reading of a continuous guided prior."""
