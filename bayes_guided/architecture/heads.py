"""Attention heads as units: their rows, and the part of the output projection that leaves with them."""

import torch
from torch import nn

from bayes_guided.nn import HeadAttention
from bayes_guided.nn.attention import unsupported

from . import layers
from .findings import Finding
from .suspicion import SINGLE_UNIT, shared_parameters
from .tracing import Tracing
from .unit_group import Cut, RowBlock, UnitGroup


def find_heads(net: nn.Module, tracing: Tracing) -> list[Finding]:
    """One group per attention layer that the forward pass called and whose heads can be told apart."""
    shared = shared_parameters(net)
    findings = []
    for name in tracing.calls:
        module = net.get_submodule(name)
        if not isinstance(module, layers.Attention) or module.num_heads < 1:
            continue
        finding = Finding(_heads(name, module))
        findings.append(finding.with_reason(_obstacle(name, module)).with_reason(shared.get(name)))
    return findings


def _heads(name: str, module: layers.Attention) -> UnitGroup:
    """The group of heads: queries, keys and values of a head are its row, or its gate is."""
    prefix = f"{name}." if name else ""
    heads, width = module.num_heads, module.head_dim
    out_index = torch.arange(heads * width).reshape(heads, width)
    in_index = torch.cat([out_index + part * heads * width for part in range(3)], dim=1)
    read = Cut(f"{prefix}out_proj", "in", out_index)
    gate = module.gate if isinstance(module, HeadAttention) else None
    owner, gated = (module, False) if gate is None else (gate, True)
    index = torch.arange(heads)[:, None] if gated else in_index
    blocks = tuple(
        RowBlock(
            f"{prefix}gate.weight" if gated else f"{prefix}{entry.name}",
            entry.axis,
            index,
            entry.role,
            index.shape[1] * (parameter.numel() // parameter.shape[entry.axis]),
        )
        for entry in layers.owned_parameters(owner)
        for parameter in [owner.get_parameter(entry.name)]
    )
    row_dim = sum(block.size for block in blocks)
    if gated:
        cuts = (Cut(f"{prefix}gate", "in", index), Cut(name, "out", in_index), read)
        return UnitGroup(f"{prefix}gate", heads, row_dim, blocks, cuts, folds=(read,))
    return UnitGroup(name, heads, row_dim, blocks, (read,))


def _obstacle(name: str, module: layers.Attention) -> str | None:
    if not name:
        return "is the whole network"
    if module.num_heads == 1:
        return SINGLE_UNIT
    reason = unsupported(module) if isinstance(module, nn.MultiheadAttention) else None
    if reason is None and any(hasattr(part, "parametrizations") for part in module.modules()):
        reason = "has parametrised weights"
    return reason
