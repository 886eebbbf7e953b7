"""Decides which layers load the first weights of the next one, by exact prices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise, product
from typing import NamedTuple

from foundation.errors import MappingError
from isa.program import Program
from mapper.buffers import Buffer
from mapper.check import held
from mapper.layer_mapper import LayerMapper
from mapper.plan import Plan
from mapper.prefetch import ROLE, Prefetch, first_weights, followed_by, without
from mapper.program_price import program_cycles
from mapper.residency import Candidate, MemoryPlan
from mapper.works import Work


class _Layer(NamedTuple):
    """A layer's work, and what equal works share."""

    kind: object
    work: Work


class _Pair(NamedTuple):
    """Two layers that run one after the other."""

    first: _Layer
    second: _Layer


class Prefetcher:
    """Lets programs load the first weights of the next one, pair by pair in the order of execution.

    The first of a pair may be mapped again, to leave room. Both programs are priced before and
    after, so that loads move only where the pair takes fewer cycles.

    Parameters
    ----------
    plan
        With a work of its own for each layer.
    kinds
        Of each layer what equal works share.
    mapper
        Maps layers with less room.
    memory
        What is kept on the chip.
    """

    def __init__(
        self, plan: Plan, kinds: Sequence[object], mapper: LayerMapper, memory: MemoryPlan
    ) -> None:
        self._plan = plan
        self._mapper = mapper
        self._memory = memory
        self._layers = [_Layer(*one) for one in zip(kinds, plan.works, strict=True)]
        self._known: dict[object, _Pair | None] = {}

    def run(self) -> tuple[Plan, list[object]]:
        """Return the plan with what pays, and what equal works share then."""
        busy = [n for n, layer in enumerate(self._layers) if layer.work.program_count]
        for first, second in pairwise(busy):
            self._try(first, second)
        following = dict(pairwise(busy))
        plan = replace(
            self._plan,
            works=tuple(layer.work for layer in self._layers),
            placements={**self._plan.placements, **self._memory.placements()},
            lifetimes=self._memory.lifetimes,
        )
        kinds: list[object] = []
        for number, (kind, work) in enumerate(self._layers):
            fetched = self._layers[following[number]].kind if work.fetches is not None else None
            kinds.append((kind, work.prefetch, work.fetches, fetched))
        return plan, kinds

    def _try(self, first: int, second: int) -> None:
        """Move the second's first loads to the first if that pays."""
        pair = _Pair(self._layers[first], self._layers[second])
        if any(layer.work.program_count > 1 for layer in pair):
            return
        candidate = self._candidate(first, second)
        address = self._memory.room_for(candidate) if candidate is not None else None
        if candidate is None or address is None:
            return
        tried = self._memory.having(candidate, address)
        narrowed = self._narrowed(first, tried)
        if narrowed is None:
            return
        key = (pair.first.kind, pair.first.work.prefetch, pair.second.kind, narrowed.kind, address)
        if key not in self._known:
            ring = Prefetch(
                scratchpad=candidate.buffer.scratchpad,
                address=address,
                size_bytes=candidate.buffer.size_bytes,
            )
            options = self._options(first, second, narrowed, ring)
            best = max(options, key=lambda one: one.saved_cycles, default=None)
            self._known[key] = self._moved(pair, narrowed, best) if best is not None else None
        found = self._known[key]
        if found is not None:
            self._memory = tried
            self._layers[first], self._layers[second] = found

    def _candidate(self, first: int, second: int) -> Candidate | None:
        """Return the second layer's ring of weights as something that lives in both."""
        work, spec = self._layers[second].work, self._plan.spec
        rings = [
            one
            for kernel, mapping in work.mapped
            for one in held(kernel, spec, mapping)
            if one.what == ROLE
        ]
        if not rings:
            return None
        size = rings[0].total_bytes
        buffer = Buffer(
            scratchpad=rings[0].pad.name,
            axes=(size,),
            before=(0,),
            after=(0,),
            extents=(size,),
            element_bytes=1,
        )
        return Candidate(
            tensor=_ring_name(self._plan, second),
            buffer=buffer,
            first=first,
            last=second,
            saved_bytes=0,
        )

    def _narrowed(self, first: int, memory: MemoryPlan) -> _Layer | None:
        """Return the first layer with less room; None where it doesn't fit, or its ring changes."""
        layer = self._layers[first]
        own = layer.work.prefetch
        try:
            kind, work = self._mapper.work(first, memory.without(_ring_name(self._plan, first)))
        except MappingError:
            return None
        if own is None:
            return _Layer(kind, work)
        if work.mapped != layer.work.mapped:
            return None
        return _Layer(kind, replace(work.below(own.scratchpad, own.address), prefetch=own))

    def _options(
        self, first: int, second: int, narrowed: _Layer, ring: Prefetch
    ) -> Iterator[Prefetch]:
        """Yield what may move: all loads or one, to the beginning or the end; what pays only."""
        placed = replace(
            self._layers[second].work.below(ring.scratchpad, ring.address), prefetch=ring
        )
        try:
            before = self._program(first, narrowed.work)
            after = self._program(second, placed)
        except MappingError:  # other rings are in the way
            return
        own = narrowed.work.prefetch
        if own is not None:
            before = without(before, first_weights(before, own))
        now = sum(self._price(number, self._layers[number].work) for number in (first, second))
        counts = sorted({1, len(first_weights(after, ring))} - {0})
        for count, is_early in product(counts, (False, True)):
            option = replace(ring, loads=count, is_early=is_early)
            loads = first_weights(after, option)
            cycles = self._cycles(followed_by(before, loads, is_early=is_early))
            cycles += self._cycles(without(after, loads))
            if cycles < now:
                moved = sum(one.size_bytes for one in loads)
                yield replace(option, moved_bytes=moved, saved_cycles=now - cycles)

    @staticmethod
    def _moved(pair: _Pair, narrowed: _Layer, ring: Prefetch) -> _Pair:
        second = pair.second.work.below(ring.scratchpad, ring.address)
        return _Pair(
            narrowed._replace(work=replace(narrowed.work, fetches=ring)),
            pair.second._replace(work=replace(second, prefetch=ring)),
        )

    def _price(self, number: int, work: Work) -> int:
        """Return what a layer takes as it is now."""
        program = self._program(number, work)
        if work.prefetch is not None:
            program = without(program, first_weights(program, work.prefetch))
        return self._cycles(program)

    def _program(self, number: int, work: Work) -> Program:
        (program,) = self._plan.lowered(self._plan.layers[number], work)
        return program

    def _cycles(self, program: Program) -> int:
        return program_cycles(program, self._plan.spec)


def _ring_name(plan: Plan, number: int) -> str:
    """Return the name under which a layer's ring has a place; no tensor has a space in its name."""
    return f"first weights of {plan.layers[number].name}"
