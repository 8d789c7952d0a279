"""A user's own network factory, named by file and function."""

import functools
import hashlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from bayes_guided.exceptions import ConfigError


def load_callable(spec: str) -> Callable[..., nn.Module]:
    """The function of "path/to/file.py:function", which runs the file; `sys.path` stays as it is.

    The returned callable passes its arguments on and refuses a result that is not an `nn.Module`.

    Raises:
        ConfigError: if the text has another form, the file is not there or fails to run, or has no such function. The
            returned callable raises it for a result that is not an `nn.Module`.
    """
    file, separator, function = spec.rpartition(":")
    if not separator or not file or not function:
        raise ConfigError(f"{spec!r} does not name a network; write it as FILE.py:FUNCTION.")
    path = Path(file).expanduser().resolve()
    if not path.is_file() or path.suffix != ".py":
        raise ConfigError(f"{path} is not a Python file; write the network as FILE.py:FUNCTION.")
    factory = getattr(_run_file(path), function, None)
    if not callable(factory):
        raise ConfigError(f"{path} has no function {function!r}; define it there or name another.")

    @functools.wraps(factory)
    def checked(*args: Any, **settings: Any) -> nn.Module:
        net = factory(*args, **settings)
        if not isinstance(net, nn.Module):
            raise ConfigError(f"{spec} returned {type(net).__name__}; it must return a torch.nn.Module.")
        return net

    return checked


def _run_file(path: Path) -> ModuleType:
    # The path's digest keeps two files of one name apart.
    name = f"bayes_guided_custom_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    module_spec = importlib.util.spec_from_file_location(name, path)
    if module_spec is None or module_spec.loader is None:
        raise ConfigError(f"{path} cannot be imported as Python.")
    module = importlib.util.module_from_spec(module_spec)
    # Registered while it runs, because dataclasses look their module up by name; see importlib's own recipe.
    sys.modules[name] = module
    try:
        module_spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise ConfigError(f"{path} fails to run: {type(error).__name__}: {error}") from error
    return module
