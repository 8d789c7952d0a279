"""MAP: the guided regulariser, exact zeros, the refit."""
