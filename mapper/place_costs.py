"""The closed-form cost of nests whose operands are held at one choice of depths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from accel.energy import EnergyCounts, energy_pj, leakage_pj
from accel.spec import AcceleratorSpec
from mapper.energy_counts import moving_counts
from mapper.forms import ONCE, Form, Largest, Transfers
from mapper.held import HeldOperand, Slots, filled_bytes
from mapper.kernel import Lookup, OperandMap
from mapper.nest import Counts, Nests, Reals
from mapper.unit_cycles import NOTHING

if TYPE_CHECKING:
    from mapper.cost import NestCosts


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """The costs of many nests under one choice of where operands are held, and in how many slots.

    Parameters
    ----------
    cycles, dram_bytes, tiles
        As in CostEstimate.
    required_bytes
        Scratchpad name to bytes that the regions need, slots counted.
    num_buffers
        For each operand (inputs, then output): 1 or 2.
    energy_pj
        As in CostEstimate.
    """

    cycles: Reals
    dram_bytes: Counts
    tiles: Counts
    required_bytes: dict[str, Counts]
    num_buffers: list[Counts]
    energy_pj: Reals | None = None

    def fits(self, spec: AcceleratorSpec) -> NDArray[np.bool_]:
        """Return which nests fit in every scratchpad."""
        capacity = {s.name: s.capacity_bytes for s in spec.scratchpads}
        fitting = np.ones(len(self.cycles), dtype=np.bool_)
        for name, required in self.required_bytes.items():
            fitting &= required <= capacity[name]
        return fitting


class PlaceCosts:
    """What nests cost where operands are held at one choice of depths.

    Parameters
    ----------
    costs
        Of the nests.
    held
        As in `mapper.mapping.Mapping`.
    operands
        As they are held.
    waiting
        Bytes of the psums that wait, None where none do.

    Notes
    -----
    A tile's transfers, products and vector work overlap with those of its neighbours, so the
    total is that of the busiest unit, plus what comes before and after its work: first loads,
    last vector work and last store for the array and the vector unit; for a memory, whose loads
    and stores are all counted, the last tile's work between them. With two buffers, moving an
    operand's regions, their latency and their use can't take less than half of their sum; with
    one, moving and using take turns, strip by strip; psums are computed and emptied in turn.
    # Approximation: ragged tiles cost what full ones do on the array and the vector unit.
    """

    def __init__(
        self,
        costs: NestCosts,
        held: Sequence[int],
        operands: Sequence[HeldOperand],
        waiting: Counts | None,
    ) -> None:
        self.costs = costs
        self._held = held
        self._operands = operands
        self._waiting = waiting
        kernel = costs.nests.kernel
        self._pairs = list(zip(kernel.operands, operands, strict=True))
        #: Rows of a table that are moved besides: as many as outputs.
        self._gathered = (
            [(kernel.body.table, operands[-1].traffic)] if isinstance(kernel.body, Lookup) else []
        )
        self._known_alone: dict[int, Largest] = {}
        self._known_buffers: dict[int, Counts] = {}

    @cached_property
    def dram_bytes(self) -> Counts:
        """Main-memory bytes."""
        return reduce(np.add, [size for _, size in self.traffic])

    @property
    def traffic(self) -> list[tuple[OperandMap, Counts]]:
        """Main-memory bytes of each operand, and of a table's rows."""
        return [*((what, operand.traffic) for what, operand in self._pairs), *self._gathered]

    @cached_property
    def _loads(self) -> Transfers:
        """All that is loaded."""
        pairs = [(what, operand.bus_bytes) for what, operand in self._pairs[:-1]]
        return Transfers(self.costs.spec, (*pairs, *self._gathered))

    @cached_property
    def _stores(self) -> Transfers:
        """All that is stored."""
        what, operand = self._pairs[-1]
        return Transfers(self.costs.spec, ((what, operand.bus_bytes),))

    @cached_property
    def _fill(self) -> Transfers:
        """The first loads."""
        pairs = [(what, operand.first_bus_bytes) for what, operand in self._pairs[:-1]]
        return Transfers(self.costs.spec, tuple(pairs))

    @cached_property
    def _drain(self) -> Transfers:
        """The last store."""
        what, operand = self._pairs[-1]
        return Transfers(self.costs.spec, ((what, operand.first_bus_bytes),))

    @cached_property
    def vector(self) -> Reals:
        """Cycles of the vector unit, those for psums that wait included."""
        vector = self.costs.units.vector
        return vector if self._waiting is None else vector + self.costs.waiting_cycles

    @cached_property
    def _last(self) -> Reals:
        """Cycles from the last product to its result."""
        units = self.costs.units
        return self.vector / units.results + units.array_latency

    def coefficients(self, doubled: Sequence[bool]) -> Reals:
        """Return the cycles of one nest as rows of numbers, as in `mapper.forms.Form`."""
        spec, last = self.costs.spec, float(np.max(self._last))
        forms = [form for largest in self._limits(doubled) for form in largest.forms]
        rows = np.concatenate([one.coefficients(spec) for one in forms])
        rows[:, 0] += last
        return rows

    @cached_property
    def bound_cycles(self) -> Reals:
        """Cycles that no number of buffers goes below."""
        return self._units.value + self._last

    def _cycles(self, doubled: Sequence[bool]) -> Reals:
        return reduce(np.maximum, [one.value for one in self._limits(doubled)]) + self._last

    def _limits(self, doubled: Sequence[bool]) -> list[Largest]:
        """Return forms of which the largest, and the last result's way out, are the cycles.

        ``doubled`` is as in `scores`.
        """
        found = [self._units, self._turns]
        found += [self._alone(n) for n, is_doubled in enumerate(doubled[:-1]) if not is_doubled]
        if not doubled[-1] and self.costs.units.psums is not None:
            found.append(self._psums)
        return found

    def _largest(self, *forms: Form) -> Largest:
        return Largest(forms, self.costs.latency_cycles)

    @cached_property
    def _units(self) -> Largest:
        """What units of unlimited buffers take, without the last tile's results."""
        units, waits = self.costs.units, self.costs.load_waits + self.costs.store_waits
        # The vector unit starts when the first result has left the array.
        vector_end = self.vector + (units.array - self.vector) / units.results
        everything = Transfers(self.costs.spec, (*self._loads.moved, *self._stores.moved))
        return self._largest(
            Form(
                np.maximum(units.array, vector_end),
                ((ONCE, self._fill), (ONCE, self._drain)),
                waits,
            ),
            Form(units.array / units.tiles, ((ONCE, everything),), waits),
        )

    @cached_property
    def moving(self) -> EnergyCounts[Reals]:
        """What takes energy because operands are held here."""
        nests = self.costs.nests
        gathered = sum((size for _, size in self._gathered), start=_NO_BYTES)
        filled = [
            filled_bytes(nests, what, depth, operand.traffic)
            for what, depth, operand in zip(
                nests.kernel.inputs, self._held[:-1], self._operands[:-1], strict=True
            )
        ]
        moved = [operand.traffic for operand in self._operands]
        return moving_counts(nests.kernel, self.costs.spec, moved, filled, gathered)

    @cached_property
    def _dynamic_pj(self) -> Reals:
        """The picojoules of all but leakage, on which the number of buffers has no influence."""
        return self.costs.computing_pj + energy_pj(self.costs.spec, self.moving)

    def energy_pj(self, cycles: Reals) -> Reals:
        """Return the picojoules of nests that take so many cycles."""
        spec = self.costs.spec
        return self._dynamic_pj + leakage_pj(spec, cycles / spec.clock_hz)

    def scores(self, doubled: Sequence[bool], *, with_energy: bool = False) -> Scores:
        """Return the costs, one for each nest.

        ``doubled`` says for each operand whether it has two buffers where it moves more than once.
        """
        costs = self.costs
        cycles = self._cycles(doubled)
        return Scores(
            cycles=_flat(cycles, costs.nests),
            dram_bytes=_flat(self.dram_bytes, costs.nests),
            tiles=_flat(costs.units.tiles, costs.nests),
            required_bytes={
                name: _flat(size, costs.nests)
                for name, size in self.required_bytes(doubled).items()
            },
            num_buffers=[
                _flat(1 if count is None else count, costs.nests)
                for count in self._buffers(doubled)
            ],
            energy_pj=_flat(self.energy_pj(cycles), costs.nests) if with_energy else None,
        )

    def required_bytes(self, doubled: Sequence[bool]) -> dict[str, Counts]:
        """Return scratchpad name to the bytes that regions need in it, slots counted."""
        return self._slots.required_bytes(self._buffers(doubled))

    @cached_property
    def _slots(self) -> Slots:
        costs = self.costs
        regions = [operand.region for operand in self._operands]
        return Slots(costs.nests.kernel, costs.spec, regions, costs.units.psums, self._waiting)

    def _buffers(self, doubled: Sequence[bool]) -> list[Counts | None]:
        """Return how many slots each operand has, None for one."""
        return [self._most_buffers(n) if both else None for n, both in enumerate(doubled)]

    def _most_buffers(self, number: int) -> Counts:
        """Return two slots for an operand where it moves more than once."""
        if number not in self._known_buffers:
            self._known_buffers[number] = (self._operands[number].moves > 1) + np.int64(1)
        return self._known_buffers[number]

    @cached_property
    def _turns(self) -> Largest:
        """The least time in which double buffers of loads and of stores are used in turn.

        It includes the first load, and the last store.
        """
        costs, units, several = self.costs, self.costs.units, self.costs.units.tiles > 1
        moves = reduce(np.maximum, [one.moves for one in self._operands[:-1]])
        loads, stores = moves * costs.load_waits / 2, units.results * costs.store_waits / 2
        load, store = (0.5, self._loads), (0.5, self._stores)
        drain, fill = (ONCE, self._drain), (ONCE, self._fill)
        if not units.array.any() and not self.vector.any():  # a copy: loaded, then stored
            both = loads + stores + costs.store_waits
            return self._largest(Form(NOTHING, (load, store, drain), both, several))
        array = units.array + units.tiles * units.array_latency
        first_user = array if units.array.any() else self.vector
        return self._largest(
            Form(first_user / 2, (load, drain), loads + costs.store_waits, several),
            Form(self.vector / 2, (store, fill), stores + costs.load_waits, several),
        )

    @cached_property
    def _psums(self) -> Largest:
        """The least time in which the one buffer of psums, and of outputs, is used in turn.

        Psums are computed and emptied in turn, and so are outputs made and stored.
        """
        units, moves = self.costs.units, self._operands[-1].moves > 1
        array = units.array + units.results * units.array_latency
        fill, drain, stores = (ONCE, self._fill), (ONCE, self._drain), (ONCE, self._stores)
        return self._largest(
            Form(array + self.vector, (fill, drain), 0, moves),
            Form(self.vector, (stores, drain), 0, moves),
        )

    def _alone(self, number: int) -> Largest:
        if number not in self._known_alone:
            self._known_alone[number] = self._find_alone(number)
        return self._known_alone[number]

    def _find_alone(self, number: int) -> Largest:
        """Return the least time in which the one buffer of an operand is filled and used in turn.

        A strip is loaded when the one in its place was used for the last time, in the last of the
        sweeps over the region: the first of a region's strips waits for its last use, or the last
        one for the loads before it.
        """
        costs, units, operand = self.costs, self.costs.units, self._operands[number]
        what, held = self._pairs[number]
        load, drain = Transfers(costs.spec, ((what, held.bus_bytes),)), (ONCE, self._drain)
        user = units.array if units.array.any() else units.vector
        sweeps = np.maximum(1, units.tiles / (operand.moves * operand.strips))
        waits = operand.moves * costs.load_waits
        moves, strips = operand.moves > 1, operand.strips
        return self._largest(
            Form(user, ((1 / strips, load), drain), waits / strips + costs.store_waits, moves),
            Form(
                user - user / sweeps * (1 - 1 / strips),
                ((ONCE, load), drain),
                waits + costs.store_waits,
                moves,
            ),
        )


def _flat(values: Any, nests: Nests) -> Any:
    """Return an array with one value for each nest."""
    if np.shape(values) == ():
        return np.full(len(nests), values)
    return np.broadcast_to(values, nests.shape).reshape(-1)


_NO_BYTES: Counts = np.zeros((), dtype=np.int64)
