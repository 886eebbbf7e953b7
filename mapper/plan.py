"""A plan: a network's layers in order, each mapped, and where every tensor lives."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, field

from accel.spec import AcceleratorSpec
from foundation.errors import MappingError, nearest
from isa.program import Program, side_by_side
from mapper.group_search import FusedGroup
from mapper.lower import lower
from mapper.lower_group import lower_group
from mapper.mapping_file import LayerMapping, mappings_text
from mapper.operands import Placement
from mapper.prefetch import first_weights, followed_by, without
from mapper.residency import (
    view_sources,
)
from mapper.search.find import DEFAULT, SearchOptions
from mapper.stages import Piece
from mapper.works import PlannedLayer, Work, places_of
from workloads.graph import Graph, Layer

#: Passes over several layers that can be switched on.
ACROSS = ("fusion", "residency", "prefetch", "order", "concurrent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the mapper hands on for a network.

    Parameters
    ----------
    graph, spec
        What was mapped, onto what; the graph's layers are in the order in which they run.
    given
        The network as it was given, if it has another order.
    works
        Each distinct piece of work once: it is simulated once.
    layers
        In execution order. Each starts when the one before has finished.
    placements
        Where every tensor lives.
    memory_bytes
        Main memory name to bytes in use.
    split
        What was asked for: one of `mapper.splits.CHOICES`.
    across
        Which passes over several layers were asked for: some of ``ACROSS``.
    lifetimes
        Tensor that is kept on the chip to the numbers of the layers during which it is.
    options
        What was asked of the search for mappings.
    """

    graph: Graph
    spec: AcceleratorSpec
    works: tuple[Work, ...]
    layers: tuple[PlannedLayer, ...]
    placements: Dictionary[str, Placement]
    memory_bytes: Dictionary[str, int]
    split: str
    across: tuple[str, ...] = ()
    given: Graph | None = None
    lifetimes: Dictionary[str, range] = field(default_factory=dict)
    options: SearchOptions = DEFAULT

    @property
    def views(self) -> dict[str, str]:
        """Name of each reshape's output to the tensor whose bytes it shows."""
        return view_sources(self.graph)

    def alive(self, number: int) -> list[str]:
        """Return the tensors that are kept on the chip while layer ``number`` runs."""
        return [name for name, layers in self.lifetimes.items() if number in layers]

    def program(self, planned: PlannedLayer) -> Program:
        """Return the program of a layer that is in one piece.

        Raises
        ------
        MappingError
            For a reshape, which has none, or a layer in several pieces.
        """
        programs = list(self.programs(planned))
        if len(programs) != 1:
            raise MappingError(
                f"layer '{planned.layer.name}': has {len(programs)} programs, not 1"
                + ("; a reshape moves no data" if not programs else "")
            )
        return programs[0]

    def programs(self, planned: PlannedLayer) -> Iterator[Program]:
        """Yield a layer's programs, which run one after the other; none for a reshape."""
        work = self.works[planned.work]
        for program in self.lowered(planned, work):
            yield self._moved(planned, work, program)

    def lowered(self, planned: PlannedLayer, work: Work) -> Iterator[Program]:
        """Yield the programs of a layer's work, each as if it loaded all it needs itself."""
        if work.fused is not None:
            yield self._group_program(planned, work, work.fused)
        for pieces in work.rounds:
            yield self._program(planned, work, pieces)

    def all_programs(self) -> Iterator[Program]:
        """Yield the programs of all layers, in the order in which they run."""
        for planned in self.layers:
            yield from self.programs(planned)

    def program_count(self, planned: PlannedLayer) -> int:
        """Return the number of a layer's programs."""
        return self.works[planned.work].program_count

    def distinct_programs(self, work: int) -> Iterator[tuple[Program, int]]:
        """Yield a work's programs that differ in more than addresses, and how often each runs."""
        planned, own = self.representative(work), self.works[work]
        if own.fused is not None:
            yield self._moved(planned, own, self._group_program(planned, own, own.fused)), 1
        for pieces, count in own.distinct_rounds:
            yield self._moved(planned, own, self._program(planned, own, pieces)), count

    def _moved(self, planned: PlannedLayer, work: Work, program: Program) -> Program:
        """Return a program without what the one before loads, and with what it loads itself."""
        if work.prefetch is not None:
            program = without(program, first_weights(program, work.prefetch))
        if work.fetches is not None:
            following = self.following(planned)
            assert following is not None, "what is fetched is for somebody"
            (other,) = self.lowered(following, self.works[following.work])
            loads = first_weights(other, work.fetches)
            program = followed_by(program, loads, is_early=work.fetches.is_early)
        return program

    def following(self, planned: PlannedLayer) -> PlannedLayer | None:
        """Return the next layer that has programs."""
        place = next(number for number, one in enumerate(self.layers) if one is planned)
        return next((one for one in self.layers[place + 1 :] if self.program_count(one)), None)

    def _program(self, planned: PlannedLayer, work: Work, pieces: tuple[Piece, ...]) -> Program:
        places = work.operand_places(planned.computing, self.placements)
        return side_by_side(
            [
                lower(
                    piece.kernels,
                    piece.mappings,
                    self.spec,
                    places[piece.layer],
                    self.memory_bytes,
                    work.free_bytes,
                    piece.core,
                    work.placed,
                )
                for piece in pieces
            ]
        )

    def _group_program(self, planned: PlannedLayer, work: Work, fused: FusedGroup) -> Program:
        return lower_group(
            fused.steps,
            fused.mapping,
            self.spec,
            self.operand_places(planned),
            self.memory_bytes,
            work.free_bytes,
            work.placed,
        )

    def places(self, layer: Layer) -> dict[str, Placement]:
        """Return the role of each operand of a layer to where its tensor lives."""
        return places_of(layer, self.placements)

    def operand_places(self, planned: PlannedLayer) -> list[dict[str, Placement]]:
        """Return ``places`` of each layer that computes, its own partial sums included."""
        return self.works[planned.work].operand_places(planned.computing, self.placements)

    def results(self, planned: PlannedLayer) -> tuple[Layer, ...]:
        """Return the layers whose outputs leave a planned one."""
        is_beside = self.works[planned.work].beside is not None
        return planned.layers if is_beside else (planned.layer,)

    def layer(self, name: str) -> PlannedLayer:
        """Return the layer of this name.

        Raises
        ------
        MappingError
            When there is none: the nearest name is suggested.
        """
        for planned in self.layers:
            if name == planned.name or any(layer.name == name for layer in planned.layers):
                return planned
        known = [planned.name for planned in self.layers]
        raise MappingError(
            f"layer '{name}': network '{self.graph.name}' has no such layer{nearest(name, known)}"
        )

    def mappings_yaml(self, layer: str | None = None) -> str:
        """Return the mappings as a file: of equal layers once, or of one layer only.

        Layers that run as groups have none of their own.

        Raises
        ------
        MappingError
            When there is no such layer.
        """
        if layer is not None:
            chosen = [self.layer_mapping(self.layer(layer))]
        else:
            chosen = [
                self.layer_mapping(self.representative(number)) for number in range(len(self.works))
            ]
        head = f"How {self.graph.name}, batch {self.graph.batch}, is mapped onto {self.spec.name}."
        return mappings_text([one for one in chosen if one.kernels], self.spec, head)

    def _repr_html_(self) -> str:
        from mapper.plan_html import plan_html

        return plan_html(self)

    def layer_mapping(self, planned: PlannedLayer) -> LayerMapping:
        """Return how a layer is mapped, with the names of the layers that share its work."""
        work = self.works[planned.work]
        alike = [other.layer.name for other in self.layers if other.work == planned.work]
        name = planned.layer.name
        return LayerMapping(
            name=name,
            also=tuple(other for other in alike if other != name),
            kernels=tuple(kernel for stage in work.stages for kernel in stage.kernels),
            splits=tuple(split for stage in work.stages for split in stage.splits),
            mappings=tuple(mapping for stage in work.stages for mapping in stage.mappings),
        )

    def representative(self, work: int) -> PlannedLayer:
        """Return the first layer that does a piece of work."""
        return next(planned for planned in self.layers if planned.work == work)
