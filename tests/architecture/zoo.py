"""Small networks, one per way in which channels can be coupled, with what should be found in each."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bayes_guided.architecture import Architecture
from bayes_guided.nn import Gate
from tests.architecture.gated_nets import (
    CrossAttention,
    Encoder,
    GatedBranches,
    GatedConcat,
    GatedSkip,
    GatedStream,
    gated_inputs,
    gated_mlp,
    gated_residual,
    gated_residual_inputs,
    gated_transformer,
)
from tests.architecture.zoo_nets import (
    BareParameter,
    ChannelMean,
    ChunkConcat,
    Chunked,
    Dense,
    Encoder1d,
    Generator,
    HardView,
    Recurrent,
    Residual,
    Reused,
    SlicedInputs,
    SplitFixed,
    SqueezeExcite,
    Tied,
    TokenMLP,
    Transformer,
    TwoInputs,
    frozen,
    head,
    mlp,
    weight_normed,
)


@dataclass(frozen=True, eq=False)
class Case:
    """A network, inputs for it, the widths that must be found, and words of the reason for each protected layer."""

    name: str
    build: Callable[[], nn.Module]
    inputs: Callable[[], Any]
    widths: dict[str, int]
    protected: dict[str, str] = field(default_factory=dict)

    def net(self) -> nn.Module:
        """A network with weights and statistics that are random everywhere, so that no mistake hides behind a zero."""
        with torch.random.fork_rng():
            torch.manual_seed(1)
            net = self.build()
            with torch.no_grad():
                for parameter in net.parameters():
                    if parameter.dim() == 1:
                        parameter.add_(0.3 * torch.randn_like(parameter))
                for name, buffer in net.named_buffers():
                    if name.endswith("running_mean"):
                        buffer.normal_()
                    elif name.endswith("running_var"):
                        buffer.uniform_(0.5, 2.0)
            return net

    def example(self) -> Any:
        with torch.random.fork_rng():
            torch.manual_seed(2)
            return self.inputs()


def images(channels: int = 3, size: int = 8) -> Callable[[], Tensor]:
    return lambda: torch.randn(4, channels, size, size)


def vectors(features: int = 5) -> Callable[[], Tensor]:
    return lambda: torch.randn(4, features)


def sequences() -> Tensor:
    return torch.randn(4, 6, 3)


def encoder_widths(heads: str, inside: str = "") -> dict[str, int]:
    """Heads and hidden units of both layers of `Encoder`."""
    layers = [f"encoder.layers.{i}.{inside}" for i in range(2)]
    return {f"{layer}{heads}": 4 for layer in layers} | {f"{layer}linear1": 10 for layer in layers}


CASES = [
    Case("mlp", lambda: mlp(nn.ReLU()), vectors(), {"0": 8, "2": 6}, {"4": "output"}),
    Case("sigmoid", lambda: mlp(nn.Sigmoid()), vectors(), {"0": 8, "2": 6}),
    Case("tanh", lambda: mlp(nn.Tanh()), vectors(), {"0": 8, "2": 6}),
    Case("frozen", frozen, vectors(), {"0": 8, "2": 6}),
    Case(
        "without_bias",
        lambda: nn.Sequential(
            nn.Linear(5, 8, bias=False), nn.Sigmoid(), nn.Linear(8, 6, bias=False), nn.ReLU(), nn.Linear(6, 3)
        ),
        vectors(),
        {"0": 8, "2": 6},
    ),
    Case(
        "batch_norm",
        lambda: nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1, bias=False),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 5, 3, padding=1),
            nn.BatchNorm2d(5),
            nn.ReLU(),
            head(5),
        ),
        images(),
        {"0": 6, "4": 5},
        {"7.2": "output"},
    ),
    Case(
        "batch_norm_without_scale",
        lambda: nn.Sequential(
            nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6, affine=False), nn.ReLU(), nn.Conv2d(6, 5, 3), nn.ReLU(), head(5)
        ),
        images(),
        {"0": 6, "3": 5},
    ),
    Case(
        "flatten",
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 7), nn.ReLU(), nn.Linear(7, 3)
        ),
        images(1),
        {"0": 4, "4": 7},
    ),
    Case(
        "batch_norm_after_flatten",
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3),
            nn.ReLU(),
            nn.Flatten(),
            nn.BatchNorm1d(144),
            nn.Linear(144, 7),
            nn.BatchNorm1d(7),
            nn.ReLU(),
            nn.Linear(7, 3),
        ),
        images(1),
        {"0": 4, "4": 7},
    ),
    Case("residual", Residual, images(), {"stem": 6, "conv1": 5, "conv3": 8}),
    Case("dense", Dense, images(), {"conv1": 4, "conv2": 5, "conv3": 6}, {"fc": "output"}),
    Case(
        "grouped",
        lambda: nn.Sequential(
            nn.Conv2d(3, 8, 3),
            nn.ReLU(),
            nn.Conv2d(8, 12, 3, groups=4),
            nn.BatchNorm2d(12),
            nn.ReLU(),
            nn.Conv2d(12, 6, 3, groups=2),
            nn.ReLU(),
            head(6),
        ),
        images(),
        {"0": 2, "2": 3, "5": 3},
    ),
    Case(
        "two_groupings",
        lambda: nn.Sequential(
            nn.Conv2d(3, 8, 3, groups=1),
            nn.ReLU(),
            nn.Conv2d(8, 16, 1, groups=4),
            nn.ReLU(),
            nn.Conv2d(16, 6, 3, groups=2),
            nn.ReLU(),
            head(6),
        ),
        images(),
        {"0": 2, "2": 4, "4": 3},
    ),
    Case(
        "one_unit_by_grouping",
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 8, 3, groups=4), nn.ReLU(), head(8)),
        images(),
        {"2": 2},
        {"0": "single unit"},
    ),
    Case(
        "depthwise_separable",
        lambda: nn.Sequential(
            nn.Conv2d(3, 6, 3, bias=False),
            nn.BatchNorm2d(6),
            nn.ReLU6(),
            nn.Conv2d(6, 6, 3, groups=6, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU6(),
            nn.Conv2d(6, 8, 1),
            nn.ReLU6(),
            head(8),
        ),
        images(),
        {"0": 6, "6": 8},
    ),
    Case(
        "autoencoder",
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(4, 6, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(6, 5, 4, stride=2, padding=1),
            nn.BatchNorm2d(5),
            nn.ReLU(),
            nn.ConvTranspose2d(5, 1, 4, stride=2, padding=1),
        ),
        images(1),
        {"0": 4, "2": 6, "4": 5},
    ),
    Case(
        "depthwise_transposed",
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.ReLU(), nn.ConvTranspose2d(4, 4, 2, stride=2, groups=4), nn.ReLU(), nn.Conv2d(4, 2, 1)
        ),
        images(1),
        {"0": 4},
    ),
    Case(
        "grouped_transposed",
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3),
            nn.ReLU(),
            nn.ConvTranspose2d(4, 6, 2, groups=2),
            nn.ReLU(),
            nn.Conv2d(6, 5, 1),
            nn.ReLU(),
            nn.Conv2d(5, 2, 1),
        ),
        images(1),
        {"4": 5},
        {"0": "transposed", "2": "transposed"},
    ),
    Case("generator", Generator, vectors(), {"fc": 6, "up1": 4}),
    Case(
        "instance_norm",
        lambda: nn.Sequential(
            nn.Conv2d(3, 6, 3),
            nn.InstanceNorm2d(6, affine=True),
            nn.ReLU(),
            nn.Conv2d(6, 5, 3),
            nn.InstanceNorm2d(5),
            nn.ReLU(),
            nn.Conv2d(5, 4, 1),
            nn.InstanceNorm2d(4, affine=True, track_running_stats=True),
            nn.ReLU(),
            head(4),
        ),
        images(),
        {"0": 6, "3": 5, "6": 4},
    ),
    Case(
        "layer_norm",
        lambda: nn.Sequential(nn.Linear(5, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3)),
        vectors(),
        {"3": 6},
        {"0": "LayerNorm '1'"},
    ),
    Case(
        "group_norm",
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.ReLU(), head(6)),
        images(),
        {"3": 6},
        {"0": "GroupNorm '1'"},
    ),
    Case(
        "rms_norm",
        lambda: nn.Sequential(nn.Linear(5, 8), nn.RMSNorm(8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3)),
        vectors(),
        {"3": 6},
        {"0": "RMSNorm '1'"},
    ),
    Case("recurrent", Recurrent, lambda: torch.randn(2, 4, 3), {"after": 7}, {"before": "type GRU"}),
    Case(
        "gated_linear_unit",
        lambda: nn.Sequential(nn.Linear(5, 8), nn.GLU(), nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)),
        vectors(),
        {"0": 4, "2": 6},
    ),
    Case(
        "pixel_shuffle",
        lambda: nn.Sequential(
            nn.Conv2d(3, 8, 1),
            nn.PixelShuffle(2),
            nn.ReLU(),
            nn.Conv2d(2, 5, 1),
            nn.PixelUnshuffle(2),
            nn.ReLU(),
            nn.Conv2d(20, 2, 1),
        ),
        images(),
        {"0": 2, "3": 5},
    ),
    Case(
        "local_response_norm",
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.LocalResponseNorm(3, alpha=1.0), nn.Conv2d(8, 6, 3), nn.ReLU(), head(6)),
        images(),
        {"2": 6},
        {"0": "LocalResponseNorm '1'"},
    ),
    Case("chunk", Chunked, images(), {"conv": 4}),
    Case("chunk_concat", ChunkConcat, images(), {"conv": 4, "after": 5}),
    Case("split", SplitFixed, vectors(), {"left": 4}, {"first": ""}),
    Case("sliced_inputs", SlicedInputs, lambda: torch.randn(3, 4), {"inner.0": 6}, {"inner.2": "feeds the output"}),
    Case("hard_view", HardView, images(1), {"conv1": 4, "fc1": 7}, {"conv2": "fails without"}),
    Case(
        "prelu",
        lambda: nn.Sequential(nn.Linear(5, 8), nn.PReLU(8), nn.Linear(8, 6), nn.PReLU(), nn.Linear(6, 3)),
        vectors(),
        {"0": 8, "2": 6},
    ),
    Case("shared_prelu", lambda: mlp(nn.PReLU()), vectors(), {"0": 8, "2": 6}),
    Case("conv1d", Encoder1d, lambda: torch.randn(3, 2, 10), {"conv1": 4, "conv2": 5, "fc": 7}),
    Case(
        "conv3d",
        lambda: nn.Sequential(
            nn.Conv3d(1, 4, 2),
            nn.BatchNorm3d(4),
            nn.ReLU(),
            nn.Conv3d(4, 3, 2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(3 * 8, 2),
        ),
        lambda: torch.randn(2, 1, 4, 4, 4),
        {"0": 4, "3": 3},
    ),
    Case("tokens", TokenMLP, sequences, {"first": 4, "second": 5}),
    Case(
        "keywords",
        TwoInputs,
        lambda: {"image": torch.randn(4, 1, 6, 6), "vector": torch.randn(4, 5)},
        {"image": 6, "joint": 4},
        {"out1": "output", "out2": "output"},
    ),
    Case("positional", TwoInputs, lambda: (torch.randn(4, 1, 6, 6), torch.randn(4, 5)), {"image": 6, "joint": 4}),
    Case("tied", Tied, vectors(), {"wide": 9}, {"first": "shares a weight", "a": "shares a weight"}),
    Case("reused", Reused, vectors(), {"wide": 9}, {"again": "called more than once"}),
    Case("weight_norm", weight_normed, vectors(), {"2": 6}, {"0": "parametrised"}),
    Case("bare_parameter", BareParameter, vectors(), {"second": 7}, {"first": "bare parameter 'scale'"}),
    Case("channel_mean", ChannelMean, images(), {"conv2": 5}, {"conv1": ""}),
    Case("squeeze_excite", SqueezeExcite, images(), {"conv1": 6, "squeeze": 4}),
    Case("transformer", Transformer, lambda: torch.randint(0, 11, (3, 4)), {"attention": 2, "up": 12}, {"down": "LayerNorm"}),
    Case("gate_before_relu", lambda: gated_mlp(before=True), vectors(), {"1": 8, "4": 6}, {"6": "output"}),
    Case("gate_after_relu", lambda: gated_mlp(before=False), vectors(), {"2": 8, "5": 6}),
    Case("signed_gate_after_relu", lambda: gated_mlp(before=False, signed=True), vectors(), {"2": 8, "5": 6}),
    Case(
        "gate_that_cannot_be_folded",
        lambda: nn.Sequential(nn.Linear(5, 8), nn.Tanh(), Gate(8), nn.Tanh(), nn.Linear(8, 3)),
        vectors(),
        {"2": 8},
    ),
    Case(
        "gates_in_series",
        lambda: nn.Sequential(nn.Linear(5, 8), Gate(8), nn.ReLU(), Gate(8), nn.Linear(8, 3)),
        vectors(),
        {"1": 8},
    ),
    Case(
        "gate_before_norm",
        lambda: nn.Sequential(nn.Linear(5, 8), Gate(8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 3)),
        vectors(),
        {"1": 8},
    ),
    Case(
        "gate_on_channels",
        lambda: nn.Sequential(
            nn.Conv2d(3, 6, 3, bias=False),
            nn.BatchNorm2d(6),
            Gate(6),
            nn.ReLU(),
            nn.Conv2d(6, 8, 3, groups=2),
            Gate(8),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(32, 3),
        ),
        images(),
        {"2": 3, "5": 4},
    ),
    Case("gate_on_inputs", gated_inputs, vectors(), {"inputs": 5, "net.0": 8, "net.2": 6}),
    Case(
        "gate_on_input_channels", gated_residual_inputs, images(), {"inputs": 3, "net.stem": 6, "net.conv1": 5, "net.conv3": 8}
    ),
    Case(
        "gate_on_normalised_inputs",
        lambda: nn.Sequential(Gate(5, signed=True), nn.BatchNorm1d(5), nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 2)),
        vectors(),
        {"0": 5, "2": 6},
    ),
    Case("gate_that_selects", GatedSkip, vectors(), {"gate": 6, "hidden": 7}, {"stem": "read through the gate 'gate'"}),
    Case("gate_on_concatenation", GatedConcat, vectors(), {"left": 4, "right": 3, "hidden": 6}),
    Case("gate_on_stream", GatedStream, sequences, {"gate": 8, "up": 6}, {"embed": "LayerNorm"}),
    Case(
        "gated_branches",
        GatedBranches,
        images(),
        {"stem": 6, "conv1": 5, "conv2": 6, "gate1": 1, "inner.0": 4, "gate2": 1},
    ),
    Case(
        "gated_blocks",
        gated_residual,
        images(),
        {"0": 6, "2.block.conv1": 4, "2.gate": 1, "3.block.0.conv1": 4}
        | {"3.block.1.block.conv1": 4, "3.block.1.gate": 1, "3.gate": 1},
    ),
    Case("encoder", Encoder, sequences, encoder_widths("self_attn")),
    Case("encoder_norm_first", lambda: Encoder(norm_first=True), sequences, encoder_widths("self_attn")),
    Case("encoder_sequence_first", lambda: Encoder(batch_first=False), sequences, encoder_widths("self_attn")),
    Case("encoder_gated_heads", lambda: Encoder(gated="heads"), sequences, encoder_widths("self_attn.gate")),
    Case(
        "encoder_gated_blocks",
        lambda: Encoder(gated="blocks"),
        sequences,
        encoder_widths("self_attn", "block.") | {"encoder.layers.0.gate": 1, "encoder.layers.1.gate": 1},
    ),
    Case("transformer_gated_heads", gated_transformer, lambda: torch.randint(0, 11, (3, 4)), {"attention.gate": 2, "up": 12}),
    Case(
        "cross_attention",
        CrossAttention,
        lambda: (torch.randn(4, 6, 3), torch.randn(4, 7, 5)),
        {"attention": 4},
        {"left": "", "right": "", "attention.out_proj": ""},
    ),
]


@functools.cache
def architecture(case: Case) -> Architecture:
    """The case's architecture, found once."""
    return Architecture.from_module(case.net(), case.example())


def run(net: nn.Module, example: Any) -> list[Tensor]:
    """The network's outputs in evaluation mode; its modes are put back."""
    modes = {module: module.training for module in net.modules()}
    net.eval()
    with torch.no_grad():
        output = net(**example) if isinstance(example, dict) else net(*example if isinstance(example, tuple) else (example,))
    for module, training in modes.items():
        module.training = training
    return list(output.values()) if isinstance(output, dict) else [output]


@contextmanager
def plain_attention() -> Iterator[None]:
    """Attention without torch's fused evaluation, which calls no hooks."""
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(True)


every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
