"""Works: what a plan's layers do, and how; equal layers share one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, replace
from itertools import accumulate, groupby, zip_longest
from typing import NamedTuple

from mapper.constraints import NO_RULES, LayerRules
from mapper.cost import CostEstimate
from mapper.group import tile_count
from mapper.group_search import FusedGroup
from mapper.kernel import Kernel
from mapper.mapping import Mapping
from mapper.operands import Placement, aligned
from mapper.prefetch import ROLE, Prefetch
from mapper.splits import PARTIAL
from mapper.stages import Piece, Stage
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
    beside
        How, for several layers that run at the same time on different cores.
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
    beside: Beside | None = None
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
        return self.round_count + (self.fused is not None)

    @property
    def members(self) -> tuple[Work, ...]:
        """What runs at the same time: the work itself unless it is of several layers."""
        return self.beside.members if self.beside is not None else (self,)

    @property
    def rounds(self) -> Iterator[tuple[Piece, ...]]:
        """Yield the pieces that run side by side, one for each core that still has some.

        All cores wait for each other after a round. Each member begins with the first one.
        """
        each = (
            (pieces for stage in member.stages for pieces in stage.rounds)
            for member in self.members
        )
        for turn in zip_longest(*each, fillvalue=()):
            yield tuple(
                piece._replace(layer=layer) for layer, pieces in enumerate(turn) for piece in pieces
            )

    @property
    def distinct_rounds(self) -> Iterator[tuple[tuple[Piece, ...], int]]:
        """Yield rounds that differ in more than addresses, and how often each runs."""
        rounds = list(self.rounds)  # held, so that no two parts have the same identity
        for _, equal in groupby(rounds, lambda pieces: [(p.core, id(p.part)) for p in pieces]):
            first, *others = equal
            yield first, 1 + len(others)

    @property
    def round_count(self) -> int:
        """Number of rounds."""
        return max(sum(stage.round_count for stage in member.stages) for member in self.members)

    @property
    def partial_starts(self) -> tuple[int, ...]:
        """Where in their place the partial sums of each member begin, and where the last end."""
        sizes = (
            max((stage.partial_bytes for stage in member.stages), default=0)
            for member in self.members
        )
        return tuple(accumulate(map(aligned, sizes), initial=0))

    def operand_places(
        self, layers: Sequence[Layer], placements: Dictionary[str, Placement]
    ) -> list[dict[str, Placement]]:
        """Return for each layer that computes the role of each operand to where its tensor lives.

        ``placements`` are those of all tensors. What runs at the same time has places of its own
        for partial sums.
        """
        found = [places_of(layer, placements) for layer in layers]
        if self.beside is not None:
            for places, start in zip(found, self.partial_starts, strict=False):
                place = places[PARTIAL]
                places[PARTIAL] = replace(place, address=place.address + start)
        return found

    @property
    def estimates(self) -> tuple[CostEstimate, ...]:
        """What should be spent, one part after the other."""
        if self.fused is not None:
            return (self.fused.estimate,)
        if self.beside is not None:
            return (self.beside.estimate,)
        return tuple(estimate for stage in self.stages for estimate in stage.estimates)

    @property
    def tile_count(self) -> int:
        """Number of tiles on all cores."""
        if self.fused is not None:
            return tile_count(self.fused.steps, self.fused.mapping)
        return sum(sum(stage.tile_counts) for one in self.members for stage in one.stages)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Layers that run at the same time, each on cores of its own.

    Parameters
    ----------
    members
        The work of each, in the order of their cores.
    estimate
        What they cost together.
    apart
        What they cost one after the other, each on all cores.
    shared_bytes
        Bytes of tensors that are read several times, counted for all but one.
    """

    members: tuple[Work, ...]
    estimate: CostEstimate
    apart: CostEstimate
    shared_bytes: int


class Unit(NamedTuple):
    """Layers that are one piece of work.

    Parameters
    ----------
    numbers
        Those of the layers in the network.
    kind
        What equal works share.
    work
        The work.
    """

    numbers: tuple[int, ...]
    kind: object
    work: Work


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedLayer:
    """A layer, or several that run together, that runs when the one before has finished.

    Parameters
    ----------
    layers
        The layer, those of a group, views between them included, or those that run at the same
        time.
    work
        Number of its work in ``Plan.works``.
    """

    layers: tuple[Layer, ...]
    work: int

    @property
    def layer(self) -> Layer:
        """The layer whose output leaves it, the last one of those that run at the same time."""
        return self.layers[-1]

    @property
    def computing(self) -> tuple[Layer, ...]:
        """The layers without the views between them."""
        if len(self.layers) == 1:
            return self.layers
        return tuple(layer for layer in self.layers if not isinstance(layer.operator, Reshape))

    @property
    def name(self) -> str:
        """The layer's name; those of several are joined: ``block.conv1 + bn + relu``."""
        first, *others = (layer.name for layer in self.computing)
        prefix = first.rpartition(".")[0]
        return " + ".join([first, *(name.removeprefix(f"{prefix}.") for name in others)])


def signature_of(graph: Graph, layer: Layer) -> object:
    """Return what layers must share to be one piece of work."""
    tensors = (*graph.input_tensors(layer), *graph.parameter_tensors(layer).values())
    shapes = tuple((t.shape, t.dtype, t.kind is TensorKind.PARAMETER) for t in tensors)
    return layer.operator, shapes


def places_of(layer: Layer, placements: Dictionary[str, Placement]) -> dict[str, Placement]:
    """Return the role of each operand of a layer to where its tensor lives, if it lives."""
    return {role: placements[name] for role, name in roles_of(layer).items() if name in placements}


def roles_of(layer: Layer) -> dict[str, str]:
    """Return the role of each operand of a layer to the name of its tensor."""
    inputs = {f"input{index}": name for index, name in enumerate(layer.inputs)}
    return {**inputs, **layer.parameters, "output": layer.name, PARTIAL: PARTIAL_SUMS}
