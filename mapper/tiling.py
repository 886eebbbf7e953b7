"""The tiles of a loop nest as arrays, and the strips in which an operand comes for them.

An operand's *region* is what the loops inside the place where it is held touch of it. It comes in
*strips*: each is what a tile needs and no tile before it has needed, so that work starts with the
first strip, every element comes once, and windows that overlap share what they both see. With one
region, a strip leaves after the last tile that uses it and makes room for the same strip of the
next region, while the rest is still in use.

Compiled where there is a C compiler (types in ``tiling.pxd``). Numbers below zero are only divided
where that is exact, as C and Python round differently.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

#: No strip, no tile, no axis.
NONE = -1


class Tiling:
    """The tiles of a loop nest in the order in which they run.

    Parameters
    ----------
    extents
        Of the iteration space.
    loops
        Pairs of dimension and step, outermost first; a dimension's steps don't grow inwards.
    counts
        Into how many parts each dimension is cut.

    Attributes
    ----------
    count
        Number of tiles.
    places
        For each tile and dimension the number of its part along the dimension.
    changed
        For each tile the outermost loop that has gone on since the tile before; 0 for the first.
    lows, sizes
        For each part of a dimension its first iteration, and its iterations.
    first_part
        Where a dimension's parts begin in ``lows`` and ``sizes``.
    """

    def __init__(
        self, extents: Sequence[int], loops: Sequence[tuple[int, int]], counts: Sequence[int]
    ) -> None:
        rank = len(extents)
        self.rank = rank
        self.extents = array("q", extents)
        self.counts = array("q", counts)
        self.count = 1
        self.first_part = array("q", [0]) * rank
        parts = 0
        for d in range(rank):
            self.first_part[d] = parts
            parts += counts[d]
            self.count *= counts[d]
        self.lows = array("q", [0]) * parts
        self.sizes = array("q", [0]) * parts
        self.places = array("q", [0]) * (self.count * rank)
        self.changed = array("q", [0]) * self.count
        self.loop_of = array("q", [d for d, _ in loops])
        self.step_of = array("q", [step for _, step in loops])
        self._fill(_turning(extents, loops))

    def results(self, depends: Sequence[int]) -> array[int]:
        """Return the numbers of the tiles behind which another part of an operand follows.

        ``depends`` are the dimensions that the operand depends on.
        """
        found = array("q", [0]) * self.count
        count = self._find_results(found, array("q", depends))
        return found[:count]

    def _find_results(self, found: array[int], depends: array[int]) -> int:
        count = 0
        for tile in range(self.count):
            row, is_last = tile * self.rank, tile + 1 == self.count
            if not is_last:
                for number in range(len(depends)):
                    place = row + depends[number]
                    if self.places[place] != self.places[place + self.rank]:
                        is_last = True
            if is_last:
                found[count] = tile
                count += 1
        return count

    def _fill(self, turning: list[int]) -> None:
        """Go through the loops that take more than one turn anywhere."""
        depth = len(turning)
        number = array("q", [*turning, 0])
        parent = array("q", [*_parents([self.loop_of[n] for n in turning]), 0])
        at, end, first = (array("q", [0]) * (depth + 1) for _ in range(3))
        place = array("q", [0]) * (self.rank + 1)
        for d in range(self.rank):
            self.sizes[self.first_part[d]] = self.extents[d]
        self._walk(depth, number, parent, at, end, first, place)

    def _walk(
        self,
        depth: int,
        number: array[int],
        parent: array[int],
        at: array[int],
        end: array[int],
        first: array[int],
        place: array[int],
    ) -> None:
        """Write down tile after tile.

        Parameters
        ----------
        depth, number, parent
            The loops, their numbers in the nest, and the loop of the same dimension outside each.
        at, end, first
            Of each loop where it is, where it ends, and the part with which it began.
        place
            Of each dimension the number of its part.
        """
        rank, entered = self.rank, 0
        for tile in range(self.count):
            for level in range(entered, depth):
                outside = parent[level]
                d = self.loop_of[number[level]]
                if outside < 0:
                    at[level], end[level] = 0, self.extents[d]
                else:
                    at[level] = at[outside]
                    end[level] = min(at[outside] + self.step_of[number[outside]], end[outside])
                first[level] = place[d]
            for level in range(max(entered - 1, 0), depth):
                d = self.loop_of[number[level]]
                part = self.first_part[d] + place[d]
                self.lows[part] = at[level]
                self.sizes[part] = min(self.step_of[number[level]], end[level] - at[level])
            for d in range(rank):
                self.places[tile * rank + d] = place[d]
            if tile + 1 == self.count:
                break
            level = depth - 1
            while at[level] + self.step_of[number[level]] >= end[level]:
                level -= 1
            d = self.loop_of[number[level]]
            following = place[d] + 1
            for inner in range(depth - 1, level, -1):
                place[self.loop_of[number[inner]]] = first[inner]
            place[d] = following
            at[level] += self.step_of[number[level]]
            self.changed[tile + 1] = number[level]
            entered = level + 1


def _turning(extents: Sequence[int], loops: Sequence[tuple[int, int]]) -> list[int]:
    """Return the numbers of the loops that take more than one turn."""
    inside = list(extents)
    found = []
    for number, (d, step) in enumerate(loops):
        if step < inside[d]:
            found.append(number)
            inside[d] = step
    return found


def _parents(dimensions: Sequence[int]) -> list[int]:
    """Return for each loop the next one outside of the same dimension, or ``NONE``."""
    last: dict[int, int] = {}
    found = []
    for number, d in enumerate(dimensions):
        found.append(last.get(d, NONE))
        last[d] = number
    return found


class Strips:
    """When the parts of an operand come to a scratchpad, and when they may leave it.

    Parameters
    ----------
    tiling
        The tiles.
    uses
        Numbers of the tiles that use the operand, in order.
    held
        Number of loops outside the place where it is held.
    buffers
        Regions that there is room for.
    axes
        Of the operand's tensor: offset, distance of neighbouring elements, and terms, pairs of
        dimension and coefficient.
    depends
        Dimensions that the operand depends on.
    sliding
        The axis along which tiles overlap, or ``NONE``.
    comes_whole
        A region doesn't come in strips.

    Attributes
    ----------
    stay_of, arrival, departing
        Of each use the content in which it works, the strip that comes before it or ``NONE``, and
        how many strips leave after it.
    waits
        Of each strip how many of earlier contents must have left, besides those that the strips
        before it have waited for.
    first, extent
        Of each strip and axis its first element's index in the tensor, negative in the padding, and
        its elements.
    region_first, region_extent, region_size
        Of each content the same, and the iterations of each dimension that it covers.
    stays, strips
        How many contents and strips there are.
    """

    def __init__(
        self,
        tiling: Tiling,
        uses: array[int],
        *,
        held: int,
        buffers: int,
        axes: Sequence[tuple[int, int, Sequence[tuple[int, int]]]],
        depends: Sequence[int],
        sliding: int,
        comes_whole: bool,
    ) -> None:
        self._tiling = tiling
        self._uses = uses
        self._held = held
        self._rank = tiling.rank
        self._axes = len(axes)
        self._offset = array("q", [axis[0] for axis in axes])
        self._step = array("q", [axis[1] for axis in axes])
        terms = [term for axis in axes for term in axis[2]]
        self._first_term = array("q", [0]) * (len(axes) + 1)
        for number, axis in enumerate(axes):
            self._first_term[number + 1] = self._first_term[number] + len(axis[2])
        self._term_dimension = array("q", [d for d, _ in terms])
        self._coefficient = array("q", [c for _, c in terms])
        #: The same in elements that are touched: nothing is divided strip by strip.
        self._elements = array("q", [c // axis[1] for axis in axes for _, c in axis[2]])
        self._radix = array("q", [0]) * tiling.rank
        keys = 1
        for d in depends:
            self._radix[d] = keys
            keys *= tiling.counts[d]
        self._depends = array("q", depends)
        self._sliding = sliding
        self._comes_whole = comes_whole
        count = len(uses)
        self.stays, self.strips = 0, 0
        self.stay_of, self.departing = array("q", [0]) * count, array("q", [0]) * count
        self.arrival = array("q", [NONE]) * count
        self.waits, self._stay_of_strip = array("q", [0]) * count, array("q", [0]) * count
        self.first, self.extent = (array("q", [0]) * (count * len(axes)) for _ in range(2))
        # There may be far fewer contents than uses: room for them is most of what this takes.
        most = self._count_moves()
        self.region_first, self.region_extent = (
            array("q", [0]) * (most * len(axes)) for _ in range(2)
        )
        self.region_size, self._region_low = (
            array("q", [0]) * (most * tiling.rank) for _ in range(2)
        )
        self._first_use = array("q", [0]) * (most + 1)
        self._first_strip = array("q", [0]) * (most + 1)
        self._last_departure = array("q", [0]) * most
        #: Of each different part: the content that has seen it last, and its place in there.
        self._seen_in, self._seen_as = array("q", [NONE]) * keys, array("q", [0]) * keys
        self._newest_in, self._newest = array("q", [NONE]) * keys, array("q", [0]) * keys
        #: Of each part of the present content, in the order of their first uses.
        self._part_first, self._part_last = (array("q", [0]) * count for _ in range(2))
        #: Of each strip when it isn't needed any more, and the one before it along the axis.
        self._leave, self._before = (array("q", [0]) * count for _ in range(2))
        self._find_stays()
        for stay in range(self.stays):
            self._find_strips(stay)
        self._count_waits(buffers)

    def _count_moves(self) -> int:
        """Return before how many uses the loops outside the operand's place turn."""
        moves, last = 0, NONE
        for use in range(len(self._uses)):
            tile = self._uses[use]
            moves += self._has_moved(last, tile)
            last = tile
        return moves

    def _has_moved(self, last: int, tile: int) -> bool:
        """Whether the loops outside the operand's place turn between two tiles that use it."""
        moved = last < 0
        for number in range(last + 1, tile + 1):
            if self._tiling.changed[number] < self._held:
                moved = True
        return moved

    def _find_stays(self) -> None:
        """Part the uses into contents: a new one where the region moves."""
        last = NONE
        for use in range(len(self._uses)):
            tile = self._uses[use]
            moved = self._has_moved(last, tile)
            last = tile
            if moved:
                self._set_region(tile, self.stays)
                if self.stays == 0 or self._is_elsewhere(self.stays):
                    self._first_use[self.stays] = use
                    self._set_region_span(self.stays)
                    self.stays += 1
            self.stay_of[use] = self.stays - 1
        self._first_use[self.stays] = len(self._uses)

    def _set_region(self, tile: int, stay: int) -> None:
        """Find the turn of the loops outside the operand's place in which a tile lies."""
        tiling, row = self._tiling, stay * self._rank
        for d in range(self._rank):
            self._region_low[row + d], self.region_size[row + d] = 0, tiling.extents[d]
        for number in range(self._held):
            d = tiling.loop_of[number]
            step = tiling.step_of[number]
            low, size = self._region_low[row + d], self.region_size[row + d]
            part = tiling.first_part[d] + tiling.places[tile * self._rank + d]
            start = low + (tiling.lows[part] - low) // step * step
            self._region_low[row + d] = start
            self.region_size[row + d] = min(step, low + size - start)

    def _is_elsewhere(self, stay: int) -> bool:
        """Whether a content's region isn't the one of the content before it."""
        row = stay * self._rank
        for number in range(len(self._depends)):
            d = self._depends[number]
            if self._region_low[row + d] != self._region_low[row - self._rank + d]:
                return True
        return False

    def _set_region_span(self, stay: int) -> None:
        row = stay * self._rank
        for axis in range(self._axes):
            first, extent = self._offset[axis], 1
            for term in range(self._first_term[axis], self._first_term[axis + 1]):
                d = self._term_dimension[term]
                first += self._coefficient[term] * self._region_low[row + d]
                extent += self._elements[term] * (self.region_size[row + d] - 1)
            self.region_first[stay * self._axes + axis] = first
            self.region_extent[stay * self._axes + axis] = extent

    def _set_span(self, tile: int, strip: int) -> None:
        """Write down what a tile needs as a strip."""
        tiling, row = self._tiling, tile * self._rank
        for axis in range(self._axes):
            first, extent = self._offset[axis], 1
            for term in range(self._first_term[axis], self._first_term[axis + 1]):
                d = self._term_dimension[term]
                part = tiling.first_part[d] + tiling.places[row + d]
                first += self._coefficient[term] * tiling.lows[part]
                extent += self._elements[term] * (tiling.sizes[part] - 1)
            self.first[strip * self._axes + axis] = first
            self.extent[strip * self._axes + axis] = extent

    def _key(self, tile: int) -> int:
        """Return the number of a tile's part of the operand."""
        key = 0
        for number in range(len(self._depends)):
            d = self._depends[number]
            key += self._radix[d] * self._tiling.places[tile * self._rank + d]
        return key

    def _group(self, tile: int, key: int) -> int:
        """Return what parts share that overlap along the sliding axis."""
        first, end = self._first_term[self._sliding], self._first_term[self._sliding + 1]
        for term in range(first, end):
            d = self._term_dimension[term]
            key -= self._radix[d] * self._tiling.places[tile * self._rank + d]
        return key

    def _find_strips(self, stay: int) -> None:
        """Note which strips of a content come before which use, and leave after which."""
        begin, end = self._first_use[stay], self._first_use[stay + 1]
        self._first_strip[stay] = self.strips
        parts = 0
        for use in range(begin, end):
            key = self._key(self._uses[use])
            if self._seen_in[key] != stay:
                self._seen_in[key], self._seen_as[key] = stay, parts
                self._part_first[parts] = use
                parts += 1
            self._part_last[self._seen_as[key]] = use
        if self._comes_whole or parts == 1:
            self._come_whole(stay, begin, end)
            return
        for part in range(parts):
            self._come(stay, self._part_first[part], self._part_last[part])
        latest = begin
        for strip in range(self._first_strip[stay], self.strips):  # in the order in which they came
            latest = max(latest, self._leave[strip])
            self.departing[latest] += 1
        self._last_departure[stay] = latest

    def _come_whole(self, stay: int, begin: int, end: int) -> None:
        for axis in range(self._axes):
            place, region = self.strips * self._axes + axis, stay * self._axes + axis
            self.first[place], self.extent[place] = (
                self.region_first[region],
                self.region_extent[region],
            )
        self.arrival[begin] = self.strips
        self._stay_of_strip[self.strips] = stay
        self.strips += 1
        self.departing[end - 1] = 1
        self._last_departure[stay] = end - 1

    def _come(self, stay: int, use: int, last_use: int) -> None:
        """Let come what a part needs and no strip has: windows overlap along one axis."""
        strip, tile = self.strips, self._uses[use]
        self._set_span(tile, strip)
        self._leave[strip], self._before[strip] = last_use, NONE
        if self._sliding >= 0:
            group = self._group(tile, self._key(tile))
            place, step = strip * self._axes + self._sliding, self._step[self._sliding]
            start = self.first[place]
            stop, reach = start + self.extent[place] * step, start
            earlier = self._newest[group] if self._newest_in[group] == stay else NONE
            self._before[strip] = earlier
            while earlier >= 0:  # ends ascend
                other = earlier * self._axes + self._sliding
                other_stop = self.first[other] + self.extent[other] * step
                if other_stop <= start:
                    break
                reach = max(reach, other_stop)
                self._leave[earlier] = max(self._leave[earlier], last_use)
                earlier = self._before[earlier]
            if reach >= stop:
                return
            self.first[place], self.extent[place] = reach, (stop - reach) // step
            self._newest_in[group], self._newest[group] = stay, strip
        self.arrival[use] = strip
        self._stay_of_strip[strip] = stay
        self.strips += 1

    def _count_waits(self, buffers: int) -> None:
        """Say how many strips must have left before each comes.

        None before the first contents, and nobody waits for the last ones to leave. As many leave
        with each content as the one that has the most has.
        """
        most = 0
        self._first_strip[self.stays] = self.strips
        for stay in range(self.stays):
            most = max(most, self._first_strip[stay + 1] - self._first_strip[stay])
        for stay in range(self.stays):
            begin, end = self._first_strip[stay], self._first_strip[stay + 1]
            missing = most - (end - begin)
            if stay + buffers >= self.stays:
                for use in range(self._first_use[stay], self._first_use[stay + 1]):
                    self.departing[use] = 0
            else:
                self.departing[self._last_departure[stay]] += missing
            if stay < buffers:
                continue
            is_alike = most == 1 or self._are_alike(stay, stay - buffers)
            for strip in range(begin, end):
                self.waits[strip] = 1 if is_alike else 0
            if is_alike:
                self.waits[end - 1] += missing
            else:  # strips of another shape: all that was there must have left
                self.waits[begin] = most

    def _are_alike(self, stay: int, other: int) -> bool:
        """Whether strips of two contents take the same places in order."""
        begin, other_begin = self._first_strip[stay], self._first_strip[other]
        count = self._first_strip[stay + 1] - begin
        if count != self._first_strip[other + 1] - other_begin:
            return False
        for axis in range(self._axes):
            region, other_region = stay * self._axes + axis, other * self._axes + axis
            if self.region_extent[region] != self.region_extent[other_region]:
                return False
            moved = self.region_first[region] - self.region_first[other_region]
            for number in range(count):
                one = (begin + number) * self._axes + axis
                another = (other_begin + number) * self._axes + axis
                if (
                    self.extent[one] != self.extent[another]
                    or self.first[one] - self.first[another] != moved
                ):
                    return False
        return True
