"""Training one network on several processes, each with its share of every batch.

The processes are those of `torch.distributed`'s default group, which the caller opens (`torchrun` and
`torch.distributed.init_process_group("gloo")`); without one there is a single process. Every process draws the same order of
the data from the same seed, takes its share of each batch, and averages gradients over all cases of the batch, so that
optimisers, proximal steps included, do the same on every process. Dropout's masks repeat from share to share.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed
from jaxtyping import Float
from torch import Tensor, nn

from bayes_guided.exceptions import ConfigError


@dataclass(frozen=True)
class Processes:
    """Who takes part: this process's `rank`, from 0, among `size`."""

    rank: int
    size: int

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files and shows the bar."""
        return self.rank == 0

    def share(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """This process's share of a batch, of sizes that differ by one case at most.

        Raises:
            ConfigError: if the batch has fewer cases than there are processes.
        """
        if self.size == 1:
            return inputs, targets
        if len(inputs) < self.size:
            raise ConfigError(f"a batch of {len(inputs)} cases cannot be shared by {self.size} processes; raise batch_size.")
        return inputs.tensor_split(self.size)[self.rank], targets.tensor_split(self.size)[self.rank]

    def average(
        self, parameters: Iterable[nn.Parameter], nll: Float[Tensor, ""], error: Float[Tensor, ""], cases: int
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""], int]:
        """Averages gradients in place, and the two means, over the cases of all shares; also returns their number."""
        if self.size == 1:
            return nll, error, cases
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        numbers = torch.stack([nll.detach().double(), error.detach().double(), torch.ones_like(nll, dtype=torch.float64)])
        numbers = numbers * cases
        torch.distributed.all_reduce(numbers)
        total = float(numbers[2])
        for gradient in gradients:
            gradient.mul_(cases / total)
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        torch.distributed.all_reduce(flat)
        for gradient, mean in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))
        return numbers[0] / total, numbers[1] / total, round(total)

    def same_start(self, module: nn.Module) -> None:
        """Gives every process the first one's parameters and buffers."""
        if self.size == 1:
            return
        for tensor in (*module.parameters(), *module.buffers()):
            torch.distributed.broadcast(tensor.detach(), 0)

    def same_buffers(self, module: nn.Module) -> None:
        """Gives every process the first one's buffers, such as BatchNorm's statistics of its shares."""
        if self.size == 1:
            return
        for buffer in module.buffers():
            torch.distributed.broadcast(buffer, 0)

    def agree(self, number: int, device: torch.device) -> int:
        """The first process's number, everywhere."""
        if self.size == 1:
            return number
        agreed = torch.tensor(number, dtype=torch.int64, device=device)
        torch.distributed.broadcast(agreed, 0)
        return int(agreed)

    def wait(self) -> None:
        """Returns once all processes are here."""
        if self.size > 1:
            torch.distributed.barrier()


def current_processes() -> Processes:
    """The processes of the default group, or this one alone."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return Processes(torch.distributed.get_rank(), torch.distributed.get_world_size())
    return Processes(0, 1)
