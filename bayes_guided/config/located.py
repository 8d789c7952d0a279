"""Sections of a configuration with every relative path made absolute."""

from pathlib import Path
from typing import TypeVar

from .net import NetSettings
from .paths import absolute_data, absolute_module
from .settings import Settings

Source = TypeVar("Source", bound=Settings)


def located_data(data: Source, config_folder: Path, data_dir: Path | None) -> Source:
    """The data section; its files lie as `absolute_data` says.

    Raises:
        DataFileError: if the data folder is not there.
    """
    for field in ("folder", "path"):
        if field in type(data).model_fields:
            place = absolute_data(getattr(data, field), config_folder, data_dir)
            data = data.model_copy(update={field: place})
    return data


def located_net(net: NetSettings, config_folder: Path) -> NetSettings:
    """The net section; its file lies beside the configuration."""
    if net.module is None:
        return net
    return net.model_copy(update={"module": absolute_module(net.module, config_folder)})
