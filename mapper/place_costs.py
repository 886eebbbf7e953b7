"""The closed-form cost of nests whose operands are held at one choice of depths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, reduce
from math import prod
from typing import Any, NamedTuple

import numpy as np

from accel.energy import leakage_pj
from accel.spec import AcceleratorSpec
from mapper.forms import ONCE, Form, Largest, Transfers, latency_cycles
from mapper.held import HeldOperand, Slots
from mapper.kernel import Kernel, Lookup, OperandMap
from mapper.scores import Scores
from mapper.taking import Counts, Listed, Reals, Take, joined
from mapper.unit_cycles import NOTHING, UnitCosts


class Waiting(NamedTuple):
    """Psums that wait in the output's scratchpad: their bytes, and what adding to them takes."""

    size_bytes: Counts
    cycles: Reals


class PlaceCosts:
    """What nests cost where their operands are held, each at one choice of depths.

    Parameters
    ----------
    kernel, spec
        What is mapped, onto what.
    shape
        Of the grid of nests, to which all values broadcast; of one axis, they are one by one.
    units
        What they ask of the units.
    regions
        For each operand the bytes of its region.
    operand
        Finds one, by its number, as it is held: that takes longer.
    waiting
        The psums that wait, None where none do.
    dynamic_pj
        Finds the picojoules of all but leakage, on which the number of buffers has no influence.

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
        *,
        kernel: Kernel,
        spec: AcceleratorSpec,
        shape: tuple[int, ...],
        units: UnitCosts,
        regions: Sequence[Counts],
        operand: Callable[[int], HeldOperand],
        waiting: Waiting | None,
        dynamic_pj: Callable[[], Reals],
    ) -> None:
        self.kernel = kernel
        self.spec = spec
        self.shape = shape
        self.units = units
        self._regions = regions
        self._find_operand = operand
        self._waiting = waiting
        self._find_dynamic_pj = dynamic_pj
        self._known_operands: dict[int, HeldOperand] = {}
        self._known_alone: dict[int, Largest] = {}
        self._known_buffers: dict[int, Counts] = {}

    def taken(self, take: Take, shape: tuple[int, ...]) -> PlaceCosts:
        """Return the costs of some of the nests, of which there are so many along each axis."""
        waiting = self._waiting
        return PlaceCosts(
            kernel=self.kernel,
            spec=self.spec,
            shape=shape,
            units=self.units.taken(take),
            regions=[take(region) for region in self._regions],
            operand=lambda number: self._operand(number).taken(take),
            waiting=None if waiting is None else Waiting(*map(take, waiting)),
            dynamic_pj=lambda: take(self._dynamic_pj),
        )

    def listed(self, numbers: Counts) -> PlaceCosts:
        """Return the costs of some of the nests, one by one."""
        return self.taken(Listed(self.shape, numbers), (len(numbers),))

    @classmethod
    def joined(cls, parts: Sequence[PlaceCosts]) -> PlaceCosts:
        """Return the costs of several lists of nests of a kernel, one list behind the other."""
        if len(parts) == 1:
            return parts[0]
        counts = [part.shape[0] for part in parts]
        waiting = [part._waiting or _NONE_WAIT for part in parts]
        waits = any(part._waiting is not None for part in parts)
        regions = zip(*(part._regions for part in parts), strict=True)
        return cls(
            kernel=parts[0].kernel,
            spec=parts[0].spec,
            shape=(sum(counts),),
            units=UnitCosts.joined([part.units for part in parts], counts),
            regions=[joined(column, counts) for column in regions],
            operand=lambda number: HeldOperand.joined(
                [part._operand(number) for part in parts], counts
            ),
            waiting=Waiting(*(joined(column, counts) for column in zip(*waiting, strict=True)))
            if waits
            else None,
            dynamic_pj=lambda: joined([part._dynamic_pj for part in parts], counts),
        )

    @cached_property
    def _latency_cycles(self) -> float:
        """Core cycles of the slowest main memory's latency."""
        return latency_cycles(self.spec)

    @cached_property
    def _load_waits(self) -> int:
        """How often the first loads wait for it: never if nothing is moved."""
        return int(any(not one.is_kept for one in self.kernel.inputs))

    @property
    def _store_waits(self) -> int:
        """How often the last store does."""
        return int(not self.kernel.output.is_kept)

    def _operand(self, number: int) -> HeldOperand:
        if number not in self._known_operands:
            self._known_operands[number] = self._find_operand(number)
        return self._known_operands[number]

    @cached_property
    def _operands(self) -> list[HeldOperand]:
        return [self._operand(number) for number in range(len(self._regions))]

    @cached_property
    def _pairs(self) -> list[tuple[OperandMap, HeldOperand]]:
        return list(zip(self.kernel.operands, self._operands, strict=True))

    @property
    def _gathered(self) -> list[tuple[OperandMap, Counts]]:
        """Rows of a table that are moved besides: as many as outputs."""
        body = self.kernel.body
        return [(body.table, self._operands[-1].traffic)] if isinstance(body, Lookup) else []

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
        return Transfers(self.spec, (*pairs, *self._gathered))

    @cached_property
    def _stores(self) -> Transfers:
        """All that is stored."""
        what, operand = self._pairs[-1]
        return Transfers(self.spec, ((what, operand.bus_bytes),))

    @cached_property
    def _fill(self) -> Transfers:
        """The first loads."""
        pairs = [(what, operand.first_bus_bytes) for what, operand in self._pairs[:-1]]
        return Transfers(self.spec, tuple(pairs))

    @cached_property
    def _drain(self) -> Transfers:
        """The last store."""
        what, operand = self._pairs[-1]
        return Transfers(self.spec, ((what, operand.first_bus_bytes),))

    @cached_property
    def vector(self) -> Reals:
        """Cycles of the vector unit, those for psums that wait included."""
        vector = self.units.vector
        return vector if self._waiting is None else vector + self._waiting.cycles

    @cached_property
    def _last(self) -> Reals:
        """Cycles from the last product to its result."""
        units = self.units
        return self.vector / units.results + units.array_latency

    def coefficients(self, doubled: Sequence[bool]) -> Reals:
        """Return the cycles of one nest as rows of numbers, as in `mapper.forms.Form`."""
        spec, last = self.spec, float(np.max(self._last))
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
        if not doubled[-1] and self.units.psums is not None:
            found.append(self._psums)
        return found

    def _largest(self, *forms: Form) -> Largest:
        return Largest(forms, self._latency_cycles)

    @cached_property
    def _units(self) -> Largest:
        """What units of unlimited buffers take, without the last tile's results."""
        units, waits = self.units, self._load_waits + self._store_waits
        # The vector unit starts when the first result has left the array.
        vector_end = self.vector + (units.array - self.vector) / units.results
        everything = Transfers(self.spec, (*self._loads.moved, *self._stores.moved))
        return self._largest(
            Form(
                np.maximum(units.array, vector_end),
                ((ONCE, self._fill), (ONCE, self._drain)),
                waits,
            ),
            Form(units.array / units.tiles, ((ONCE, everything),), waits),
        )

    @cached_property
    def _dynamic_pj(self) -> Reals:
        return self._find_dynamic_pj()

    def energy_pj(self, cycles: Reals) -> Reals:
        """Return the picojoules of nests that take so many cycles."""
        spec = self.spec
        return self._dynamic_pj + leakage_pj(spec, cycles / spec.clock_hz)

    def scores(self, doubled: Sequence[bool], *, with_energy: bool = False) -> Scores:
        """Return the costs, one for each nest.

        ``doubled`` says for each operand whether it has two buffers where it moves more than once.
        """
        cycles = self._cycles(doubled)
        return Scores(
            cycles=self._flat(cycles),
            dram_bytes=self._flat(self.dram_bytes),
            tiles=self._flat(self.units.tiles),
            required_bytes={
                name: self._flat(size) for name, size in self.required_bytes(doubled).items()
            },
            num_buffers=[
                self._flat(1 if count is None else count) for count in self._buffers(doubled)
            ],
            energy_pj=self._flat(self.energy_pj(cycles)) if with_energy else None,
        )

    def _flat(self, values: Any) -> Any:
        """Return an array with one value for each nest."""
        if np.shape(values) == ():
            return np.full(prod(self.shape), values)
        return np.broadcast_to(values, self.shape).reshape(-1)

    def required_bytes(self, doubled: Sequence[bool]) -> dict[str, Counts]:
        """Return scratchpad name to the bytes that regions need in it, slots counted."""
        return self._slots.required_bytes(self._buffers(doubled))

    @cached_property
    def _slots(self) -> Slots:
        waiting = None if self._waiting is None else self._waiting.size_bytes
        return Slots(self.kernel, self.spec, self._regions, self.units.psums, waiting)

    def _buffers(self, doubled: Sequence[bool]) -> list[Counts | None]:
        """Return how many slots each operand has, None for one."""
        return [self._most_buffers(n) if both else None for n, both in enumerate(doubled)]

    def _most_buffers(self, number: int) -> Counts:
        """Return two slots for an operand where it moves more than once."""
        if number not in self._known_buffers:
            self._known_buffers[number] = (self._operand(number).moves > 1) + np.int64(1)
        return self._known_buffers[number]

    @cached_property
    def _turns(self) -> Largest:
        """The least time in which double buffers of loads and of stores are used in turn.

        It includes the first load, and the last store.
        """
        units, several = self.units, self.units.tiles > 1
        moves = reduce(np.maximum, [one.moves for one in self._operands[:-1]])
        loads, stores = moves * self._load_waits / 2, units.results * self._store_waits / 2
        load, store = (0.5, self._loads), (0.5, self._stores)
        drain, fill = (ONCE, self._drain), (ONCE, self._fill)
        if not units.array.any() and not self.vector.any():  # a copy: loaded, then stored
            both = loads + stores + self._store_waits
            return self._largest(Form(NOTHING, (load, store, drain), both, several))
        array = units.array + units.tiles * units.array_latency
        first_user = array if units.array.any() else self.vector
        return self._largest(
            Form(first_user / 2, (load, drain), loads + self._store_waits, several),
            Form(self.vector / 2, (store, fill), stores + self._load_waits, several),
        )

    @cached_property
    def _psums(self) -> Largest:
        """The least time in which the one buffer of psums, and of outputs, is used in turn.

        Psums are computed and emptied in turn, and so are outputs made and stored.
        """
        units, moves = self.units, self._operands[-1].moves > 1
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
        units, operand = self.units, self._operands[number]
        what, held = self._pairs[number]
        load, drain = Transfers(self.spec, ((what, held.bus_bytes),)), (ONCE, self._drain)
        user = units.array if units.array.any() else units.vector
        sweeps = np.maximum(1, units.tiles / (operand.moves * operand.strips))
        waits = operand.moves * self._load_waits
        moves, strips = operand.moves > 1, operand.strips
        return self._largest(
            Form(user, ((1 / strips, load), drain), waits / strips + self._store_waits, moves),
            Form(
                user - user / sweeps * (1 - 1 / strips),
                ((ONCE, load), drain),
                waits + self._store_waits,
                moves,
            ),
        )


#: Of nests beside others whose psums wait.
_NONE_WAIT = Waiting(np.zeros((), dtype=np.int64), np.zeros(()))
