"""Checks that the network factories share."""

from bayes_guided.exceptions import ConfigError


def check_positive(**sizes: int) -> None:
    """Refuse sizes of layers that are not at least 1.

    Raises:
        ConfigError: naming the first such setting.
    """
    for name, size in sizes.items():
        if size < 1:
            raise ConfigError(f"{name} = {size}; a layer needs at least 1 unit.")
