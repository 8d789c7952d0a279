"""The memory that a computation's tensors take at once."""

import weakref
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class TrackedMemory(TorchDispatchMode):
    """While entered, follows every tensor that an operation makes until it is freed; `peak` is in bytes.

    It sees what torch's operations hand back, also under `torch.func`'s transformations and on every device, not the scratch
    memory inside one operation. Tensors from outside do not count.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = 0
        self.peak = 0
        self._known: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs the operation and counts its outputs' storages that are new."""
        kwargs = kwargs or {}
        given = {id(tensor.untyped_storage()) for tensor in tree_leaves((args, kwargs)) if isinstance(tensor, Tensor)}
        results = func(*args, **kwargs)
        for tensor in tree_leaves(results):
            if isinstance(tensor, Tensor) and id(tensor.untyped_storage()) not in given:
                self._follow(tensor.untyped_storage())
        return results

    def _follow(self, storage: torch.UntypedStorage) -> None:
        key, size = id(storage), storage.nbytes()
        if key in self._known:
            return
        self._known[key] = weakref.ref(storage, lambda _: self._freed(key, size))
        self.live += size
        self.peak = max(self.peak, self.live)

    def _freed(self, key: int, size: int) -> None:
        del self._known[key]
        self.live -= size
