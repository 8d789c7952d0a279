"""The units of a network: groups of rows, the weights left over, and what every width costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bayes_guided.exceptions import ArchitectureMismatchError, MaskError, ProtectedGroupError, RowShapeError

from .costs import Costs, count_costs
from .description import describe_architecture
from .fingerprint import fingerprint, shapes_of
from .gating import put_gates
from .inputs import ExampleInputs
from .rows import ParameterRecipe, find_rest, parameter_recipes, read_rest, read_rows
from .sub_architecture import SubArchitecture, widths_in_short
from .survey import survey
from .unit_group import ProtectedLayer, RestBlock, UnitGroup


@dataclass(frozen=True, eq=False, repr=False)
class Architecture:
    """What can be removed from a network, and who owns which weight.

    groups: groups of interchangeable units in network order.
    rest: every weight that is in no row, exactly once.
    protected: layers whose units stay in every model, with the reason.
    costs: parameters and multiply-accumulates as functions of the widths.
    parameter_shapes: shapes of the network's parameters, in its order.
    buffer_shapes: shapes of the network's buffers, in its order.
    example_inputs: at most two samples of what `from_module` was given (tuple of arguments, or dict of keywords).
    fingerprint: hash of the structure: equal for architectures whose rows, masks and reductions are interchangeable.
    recipes: how every parameter is put together from rows and rest.
    """

    groups: tuple[UnitGroup, ...]
    rest: tuple[RestBlock, ...]
    protected: tuple[ProtectedLayer, ...]
    costs: Costs
    parameter_shapes: Mapping[str, tuple[int, ...]]
    buffer_shapes: Mapping[str, tuple[int, ...]]
    example_inputs: ExampleInputs
    fingerprint: str
    recipes: tuple[ParameterRecipe, ...]

    @classmethod
    def from_module(cls, net: nn.Module, example_inputs: Any, protect: Sequence[str] = ()) -> "Architecture":
        """Find the units of `net`, which stays untouched.

        Args:
            net: any network whose hidden layers are linear layers and convolutions.
            example_inputs: a batch (tensor), a tuple of positional arguments or a dict of keyword arguments.
            protect: names of layers (or of modules that contain layers) whose groups stay in every model.

        Raises:
            ExampleInputError: if the network does not run on the example inputs.
            ProtectedGroupError: if `protect` names no layer of the network.
            NoPrunableUnitsError: if no group of units is left.
            UnsupportedNetworkError: if the network is no module, cannot be copied or has uninitialised layers.
        """
        found = survey(net, example_inputs, protect)
        shapes = shapes_of(net.named_parameters())
        rest = find_rest(shapes, found.groups)
        return cls(
            groups=found.groups,
            rest=rest,
            protected=found.protected,
            costs=count_costs(net, found.groups, found.tracing, found.samples),
            parameter_shapes=shapes,
            buffer_shapes=shapes_of(net.named_buffers()),
            example_inputs=found.arguments,
            fingerprint=fingerprint(shapes, found.groups),
            recipes=parameter_recipes(shapes, found.groups, rest),
        )

    @classmethod
    def with_gates(
        cls,
        net: nn.Module,
        example_inputs: Any,
        *,
        inputs: bool | str = False,
        input_axis: int = 1,
        blocks: Sequence[str] = (),
        branches: Sequence[str] = (),
        heads: bool | Sequence[str] = (),
        signed: bool = False,
        protect: Sequence[str] = (),
    ) -> tuple[nn.Module, "Architecture"]:
        """A copy of `net` with gates, all 1, so that it computes the same, and its architecture.

        Args:
            net: any network; it stays untouched, and the copy has parameters of its own.
            example_inputs, protect: as `from_module`; names are those of the copy.
            inputs: put one gate on each input feature: of the first argument (True), or of the keyword argument named.
                The copy is then a `bg.nn.GatedInputs`, in which the network's layers are called "net.<name>".
            input_axis: the axis of the features: 1 for (batch, features) and channels, -1 for features that come last.
            blocks: names of residual blocks whose own forward pass adds their input; a gate of 0 leaves the identity. The
                block "b" becomes "b.block", and its gate is "b.gate".
            branches: names of modules whose output is added to something elsewhere; a gate of 0 leaves a zero.
            heads: names of `nn.MultiheadAttention` layers, or True for all; their heads get the gates "<name>.gate".
            signed: gates that may be negative.

        Raises:
            GateError: if a gate cannot be put where it was asked for.
            ExampleInputError, ProtectedGroupError, NoPrunableUnitsError, UnsupportedNetworkError: as `from_module`.
        """
        gated = put_gates(
            net, example_inputs, inputs=inputs, input_axis=input_axis, blocks=blocks, branches=branches, heads=heads,
            signed=signed,
        )  # fmt: skip
        return gated, cls.from_module(gated, example_inputs, protect)

    @property
    def num_units(self) -> int:
        """Units over all groups; protected units do not count."""
        return sum(group.size for group in self.groups)

    @property
    def rest_size(self) -> int:
        """Weights that no unit owns (count)."""
        return sum(block.size for block in self.rest)

    def group(self, name: str) -> UnitGroup:
        """The group called `name`.

        Raises:
            ProtectedGroupError: if there is none, because the layer is protected or unknown.
        """
        for group in self.groups:
            if group.name == name:
                return group
        for layer in self.protected:
            if layer.name == name:
                raise ProtectedGroupError(f"layer {name!r} is protected: it {layer.reason}")
        known = ", ".join(group.name for group in self.groups)
        raise ProtectedGroupError(f"there is no group {name!r}; the groups are {known}")

    def rows(self, net: nn.Module | Mapping[str, Tensor]) -> dict[str, Float[Tensor, "_ _"]]:
        """What each unit owns: {group name: (units, row)}, gathered differentiably from the network's parameters.

        `net` may also be a mapping of parameter names to tensors, such as gradients or another network's weights.

        Raises:
            ArchitectureMismatchError: if a parameter is missing or has another shape.
        """
        parameters = self.check(net)
        return {group.name: read_rows(parameters, group) for group in self.groups}

    def rest_vector(self, net: nn.Module | Mapping[str, Tensor]) -> Float[Tensor, "rest"]:
        """The weights that no unit owns, flattened in the order of `rest`, differentiably.

        Raises:
            ArchitectureMismatchError: if a parameter is missing or has another shape.
        """
        return read_rest(self.check(net), self.rest)

    def parameters(self, rows: Mapping[str, Tensor], rest_vector: Float[Tensor, "rest"]) -> dict[str, Tensor]:
        """The network's parameters from rows and rest, differentiably: the inverse of `rows` and `rest_vector`.

        Made for `torch.func.functional_call`; works under `torch.func` transformations. Where a group owns a whole
        parameter it is a view of the rows.

        Raises:
            RowShapeError: if a group is missing or a shape does not fit.
        """
        self._check_rows(rows)
        self._check_rest(rest_vector)
        return {recipe.name: recipe.build(rows, rest_vector) for recipe in self.recipes}

    def write_rows(self, net: nn.Module, rows: Mapping[str, Tensor], rest: Float[Tensor, "rest"] | None = None) -> None:
        """Write rows, and the rest if given, into the network's parameters in place; nothing is written on error.

        Raises:
            RowShapeError: if a group is missing or unknown, or a tensor has the wrong shape or is not floating-point.
            ArchitectureMismatchError: if the network is another one.
        """
        parameters = self.check(net)
        with torch.no_grad():
            values = self.parameters(rows, self.rest_vector(net).detach() if rest is None else rest)
            # Values may be views of the very parameters they are written to.
            fresh = {name: value.detach().to(parameters[name], copy=True) for name, value in values.items()}
            for name, value in fresh.items():
                parameters[name].copy_(value)

    def full(self) -> SubArchitecture:
        """The sub-architecture with every unit present."""
        return SubArchitecture(self, {g.name: torch.ones(g.size, dtype=torch.bool) for g in self.groups})

    def sub_architecture(self, masks: Mapping[str, Tensor], *, allow_empty: bool = False) -> SubArchitecture:
        """The sub-architecture with these units (True: present); groups that are not named are full.

        A group without any unit is refused unless `allow_empty`, the group is the gate of a block, or it lies in a block
        that is off.

        Raises:
            MaskError: for a mask of an unknown group, not boolean, of the wrong length, or that may not be empty.
        """
        checked = dict(self.full().masks)
        if not isinstance(masks, Mapping):
            raise MaskError(f"masks are a {type(masks).__name__}; give a mapping {{group name: tensor of torch.bool}}")
        for name, mask in masks.items():
            if name not in checked:
                raise MaskError(f"mask for unknown group {name!r}; the groups are {', '.join(checked)}")
            if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
                found = f"has dtype {mask.dtype}" if isinstance(mask, Tensor) else f"is a {type(mask).__name__}"
                raise MaskError(f"the mask of group {name!r} {found}; it must be torch.bool, as a tensor")
            if mask.shape != checked[name].shape:
                raise MaskError(
                    f"the mask of group {name!r} has shape {tuple(mask.shape)}; the group has {len(checked[name])} units"
                )
            checked[name] = mask.detach().cpu().clone()
        sub = SubArchitecture(self, checked)
        collapsed = [] if allow_empty else self.collapsed(sub.widths)
        if collapsed:
            raise MaskError(f"the mask of group {collapsed[0]!r} leaves no unit: keep one, or pass allow_empty=True")
        return sub

    def collapsed(self, widths: Mapping[str, int]) -> list[str]:
        """Groups of width 0 that may not be empty: neither the gate of a block nor inside a block that is off."""
        off = {group.name for group in self.groups if group.removable_whole and widths[group.name] == 0}
        return [
            group.name
            for group in self.groups
            if widths[group.name] == 0 and not group.removable_whole and off.isdisjoint(group.inside)
        ]

    def __str__(self) -> str:
        return describe_architecture(self)

    def __repr__(self) -> str:
        """One line, for notebooks and for everything that holds an architecture; `print` shows all of it."""
        return f"Architecture({widths_in_short({group.name: f'{group.size}' for group in self.groups})})"

    def check(self, net: nn.Module | Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The parameters of `net`, if it is a network of this architecture.

        Raises:
            ArchitectureMismatchError: if a parameter is missing or has another shape.
        """
        parameters = dict(net.named_parameters()) if isinstance(net, nn.Module) else net
        for name, shape in self.parameter_shapes.items():
            if name not in parameters:
                raise ArchitectureMismatchError(f"the network has no parameter {name!r}: it is not the one described")
            if tuple(parameters[name].shape) != shape:
                raise ArchitectureMismatchError(
                    f"parameter {name!r} has shape {tuple(parameters[name].shape)}, the architecture has {shape}"
                )
        return parameters

    def _check_rows(self, rows: Mapping[str, Tensor]) -> None:
        if not isinstance(rows, Mapping):
            raise RowShapeError(f"rows are a {type(rows).__name__}; give a mapping {{group name: (units, row)}}")
        unknown = set(rows) - {group.name for group in self.groups}
        if unknown:
            raise RowShapeError(f"rows for unknown groups {sorted(unknown)}")
        for group in self.groups:
            if group.name not in rows:
                raise RowShapeError(f"rows of group {group.name!r} are missing")
            given = rows[group.name]
            if not isinstance(given, Tensor):
                raise RowShapeError(f"rows of group {group.name!r} are a {type(given).__name__}; give a tensor")
            if tuple(given.shape) != (group.size, group.row_dim):
                raise RowShapeError(
                    f"rows of group {group.name!r} have shape {tuple(given.shape)}, not "
                    f"{(group.size, group.row_dim)} (units, row)"
                )
            if not given.is_floating_point():
                raise RowShapeError(f"rows of group {group.name!r} have dtype {given.dtype}, not floating-point")

    def _check_rest(self, rest: Tensor) -> None:
        if tuple(rest.shape) != (self.rest_size,) or not rest.is_floating_point():
            raise RowShapeError(
                f"the rest must be a floating-point vector of {self.rest_size} weights, not {tuple(rest.shape)} "
                f"of {rest.dtype}"
            )
