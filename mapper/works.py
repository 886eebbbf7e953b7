"""Works: what a plan's layers do, and how; equal layers share one."""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, replace

from mapper.constraints import NO_RULES, LayerRules
from mapper.cost import CostEstimate
from mapper.fusion import FusedGroup
from mapper.group import tile_count
from mapper.kernel import Kernel
from mapper.mapping import Mapping
from mapper.prefetch import ROLE, Prefetch
from mapper.splits import PARTIAL
from mapper.stages import Stage
from workloads.graph import Graph, Layer, TensorKind
from workloads.layers import Reshape

#: Name of the place of partial sums; no tensor has a space in its name.
PARTIAL_SUMS = "partial sums"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What layers of equal operator, shapes, dtypes and placement share.

    Parameters
    ----------
    kernels
        What is computed: one kernel, several for a concatenation, none for a reshape.
    stages
        How: one after the other.
    free_bytes
        Scratchpad name to bytes from its start that tiles may take.
    fused
        How, for several layers that run as a group.
    rules
        What the search for the stages didn't try.
    prefetch
        Which of its loads the program before executes.
    fetches
        Which loads of the next program it executes.
    """

    kernels: tuple[Kernel, ...]
    stages: tuple[Stage, ...]
    free_bytes: Dictionary[str, int]
    fused: FusedGroup | None = None
    rules: LayerRules = NO_RULES
    prefetch: Prefetch | None = None
    fetches: Prefetch | None = None

    @property
    def mapped(self) -> tuple[tuple[Kernel, Mapping], ...]:
        """What is computed, and how: layers of a group one by one."""
        if self.fused is not None:
            members, own = self.fused.group.members, self.fused.mapping.mappings
            return tuple((m.kernel, one) for m, one in zip(members, own, strict=True))
        pairs = (zip(stage.kernels, stage.mappings, strict=True) for stage in self.stages)
        return tuple(pair for stage in pairs for pair in stage)

    def below(self, scratchpad: str, address: int) -> Work:
        """Return the same work with all its tiles below an address of a scratchpad."""
        free = min(address, self.free_bytes[scratchpad])
        return replace(self, free_bytes={**self.free_bytes, scratchpad: free})

    @property
    def placed(self) -> dict[str, int]:
        """Role of an operand to the address of its ring, where others aren't."""
        return {ROLE: self.prefetch.address} if self.prefetch is not None else {}

    @property
    def program_count(self) -> int:
        """Number of its programs, which run one after the other."""
        return sum(stage.round_count for stage in self.stages) + (self.fused is not None)

    @property
    def estimates(self) -> tuple[CostEstimate, ...]:
        """What should be spent, one part after the other."""
        if self.fused is not None:
            return (self.fused.estimate,)
        return tuple(estimate for stage in self.stages for estimate in stage.estimates)

    @property
    def tile_count(self) -> int:
        """Number of tiles on all cores."""
        if self.fused is not None:
            return tile_count(self.fused.steps, self.fused.mapping)
        return sum(sum(stage.tile_counts) for stage in self.stages)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedLayer:
    """A layer, or a group of layers, that runs when the one before has finished.

    Parameters
    ----------
    layers
        The layer, or those of the group, views between them included.
    work
        Number of its work in ``Plan.works``.
    """

    layers: tuple[Layer, ...]
    work: int

    @property
    def layer(self) -> Layer:
        """The layer whose output leaves it."""
        return self.layers[-1]

    @property
    def computing(self) -> tuple[Layer, ...]:
        """The layers without the views between them."""
        if len(self.layers) == 1:
            return self.layers
        return tuple(layer for layer in self.layers if not isinstance(layer.operator, Reshape))

    @property
    def name(self) -> str:
        """The layer's name; a group's are joined: ``block.conv1 + bn + relu``."""
        first, *others = (layer.name for layer in self.computing)
        prefix = first.rpartition(".")[0]
        return " + ".join([first, *(name.removeprefix(f"{prefix}.") for name in others)])


def signature_of(graph: Graph, layer: Layer) -> object:
    """Return what layers must share to be one piece of work."""
    tensors = (*graph.input_tensors(layer), *graph.parameter_tensors(layer).values())
    shapes = tuple((t.shape, t.dtype, t.kind is TensorKind.PARAMETER) for t in tensors)
    return layer.operator, shapes


def roles_of(layer: Layer) -> dict[str, str]:
    """Return the role of each operand of a layer to the name of its tensor."""
    inputs = {f"input{index}": name for index, name in enumerate(layer.inputs)}
    return {**inputs, **layer.parameters, "output": layer.name, PARTIAL: PARTIAL_SUMS}
