"""Members of an ensemble: how each starts, and all as one module with the members along a new first axis."""

import copy
from collections.abc import Mapping, Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import vmap

from bayes_guided.architecture import Architecture
from bayes_guided.architecture.rows import read_rows
from bayes_guided.exceptions import ConfigError
from bayes_guided.infer.draws import Draws
from bayes_guided.infer.training.generators import seeded_generators
from bayes_guided.likelihoods import Likelihood, Normal
from bayes_guided.nn import Gate


def starts(net: nn.Module, members: int, seed: int) -> list[nn.Module]:
    """Copies of the network, each initialised anew with a seed of its own, but for the first, which keeps the net's weights.

    Raises:
        ConfigError: if a layer with weights has no `reset_parameters` to draw new ones.
    """
    seeds = torch.randint(2**62, (members,), generator=torch.Generator().manual_seed(seed)).tolist()
    return [copy.deepcopy(net), *(_initialised_anew(net, own) for own in seeds[1:])]


def _initialised_anew(net: nn.Module, seed: int) -> nn.Module:
    """A copy with new weights by each layer's `reset_parameters`; frozen weights and gates (which all start at 1) stay."""
    made = copy.deepcopy(net)
    with seeded_generators(seed, next(net.parameters()).device):
        for name, layer in made.named_modules():
            own = list(layer.parameters(recurse=False))
            if isinstance(layer, Gate) or not any(parameter.requires_grad for parameter in own):
                continue
            reset = getattr(layer, "reset_parameters", None) or getattr(layer, "_reset_parameters", None)
            if reset is None:
                raise ConfigError(
                    f"layer '{name}' ({type(layer).__name__}) has weights but no reset_parameters() that could draw other "
                    'initial ones; give the class that method, or use vary="bootstrap", whose members start alike.'
                )
            reset()
    with torch.no_grad():
        for parameter, given in zip(made.parameters(), net.parameters(), strict=True):
            if not given.requires_grad:
                parameter.copy_(given)
    return made


def stack(modules: Sequence[nn.Module]) -> nn.Module:
    """A copy of the first module that holds the weights and buffers of all, shapes (members, ...), under the same names.

    It is a container: its forward pass means nothing, and its state_dict is a member's with one more axis. Matrices lie in
    memory with their columns first, as their gradients come out of a batched product: autograd then keeps those as they are,
    which saves a copy of every weight per step.
    """
    stacked = copy.deepcopy(modules[0])
    states = [_tensors(module) for module in modules]
    joined = {id(tensor): _joined([state[name] for state in states]) for name, tensor in _tensors(stacked).items()}
    for owner in stacked.modules():
        for kept in (owner._parameters, owner._buffers):
            for name, tensor in kept.items():
                if tensor is not None:
                    kept[name] = cast(nn.Parameter, joined[id(tensor)])
    return stacked


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def _joined(members: list[Tensor]) -> Tensor:
    first = members[0]
    if not isinstance(first, nn.Parameter):
        return torch.stack(members)
    values = torch.stack([member.detach() for member in members])
    if first.dim() == 2:
        values = values.mT.contiguous().mT
    return nn.Parameter(values, requires_grad=first.requires_grad)


@torch.no_grad()
def read_members(architecture: Architecture, network: nn.Module, likelihood: nn.Module) -> Draws:
    """The weights, noise and buffers in stacked modules, one draw per member; copies."""

    def rows_and_rest(parameters: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Float[Tensor, "rest"]]:
        rows = {group.name: read_rows(parameters, group) for group in architecture.groups}
        return rows, architecture.rest_vector(parameters)

    parameters = {name: parameter.detach() for name, parameter in network.named_parameters()}
    rows, rest = vmap(rows_and_rest)(parameters)
    log_scale = likelihood.log_scale if isinstance(likelihood, Normal) else None
    buffers = {name: buffer.detach().clone() for name, buffer in network.named_buffers()}
    return Draws(
        {name: row.clone() for name, row in rows.items()},
        rest.clone(),
        None if log_scale is None else log_scale.exp(),
        buffers=buffers or None,
    )


@torch.no_grad()
def put_member(architecture: Architecture, net: nn.Module, likelihood: Likelihood, member: Draws) -> None:
    """Writes one member, draws of length 1, into a network and a likelihood of their own shapes."""
    architecture.write_rows(net, {name: rows[0] for name, rows in member.rows.items()}, member.rest[0])
    for name, buffer in net.named_buffers():
        if member.buffers is not None:
            buffer.copy_(member.buffers[name][0])
    if member.noise_scale is not None and isinstance(likelihood, Normal) and likelihood.log_scale is not None:
        likelihood.log_scale.copy_(member.noise_scale[0].log())
