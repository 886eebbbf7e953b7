"""The strips in which an operand comes for tiles: `mapper.residence` over arrays of them.

An operand's *region* is what the loops inside the place where it is held touch of it. It comes in
*strips*: each is what a tile needs and no tile before it has needed, so that work starts with the
first strip, every element comes once, and windows that overlap share what they both see. With one
region, a strip leaves after the last tile that uses it and makes room for the same strip of the
next region, while the rest is still in use.

Compiled where there is a C compiler (types in ``strips.pxd``).
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from mapper.tiling import NONE, ZERO, Axes, Tiling

NO_STRIP = array("q", [NONE])


class Strips:
    """When the parts of an operand come to a scratchpad, and when they may leave it.

    Parameters
    ----------
    tiling
        The tiles.
    uses
        Numbers of the tiles that use the operand, in order.
    axes
        Of the operand's tensor.
    held
        Number of loops outside the place where it is held.
    buffers
        Regions that there is room for.
    depends
        Dimensions that the operand depends on.
    sliding
        The axis along which tiles overlap, or ``NONE``.
    comes_whole
        A region doesn't come in strips.

    Attributes
    ----------
    arrival, departing
        Of each use the strip that comes before it or ``NONE``, and how many strips leave after it.
    waits
        Of each strip how many of earlier contents must have left, besides those that the strips
        before it have waited for.
    sizes
        Of each strip its bytes: padding isn't moved. There may be room behind the last one.
    first_use
        Of each content its first use; behind them the number of uses.
    stays, strips
        How many contents and strips there are.
    """

    def __init__(
        self,
        tiling: Tiling,
        uses: array[int],
        axes: Axes,
        *,
        held: int,
        buffers: int,
        depends: Sequence[int],
        sliding: int,
        comes_whole: bool,
    ) -> None:
        self._tiling = tiling
        self._uses = uses
        self._axes = axes
        self._held = held
        self._buffers = buffers
        self._columns = tiling.columns(depends)
        self._sliding = sliding
        self._axes.settle(tiling)
        # Where no loop inside the operand's place cuts it, a region is one part.
        inside = [number for number in tiling.turning if number >= held]
        is_one = not any(tiling.loop_of[number] in depends for number in inside)
        self._comes_whole = comes_whole or is_one
        count = len(uses)
        self.stays, self.strips = 0, 0
        self.arrival, self.departing = NO_STRIP * count, ZERO * count
        # There may be far fewer contents than uses: room is most of what this takes.
        most = min(self._count_turns(), count)
        self.first_use, self._first_strip = ZERO * (most + 1), ZERO * (most + 1)
        self._last_departure, self._is_alike = ZERO * most, ZERO * most
        #: Of each content the first and the last tile of its turn.
        self._begin, self._end = ZERO * most, ZERO * most
        self._find_stays()
        parts = 1 if self._comes_whole else self._make_room_for_parts()
        strips = min(self.stays * parts, count)
        self.waits, self.sizes = ZERO * strips, ZERO * strips
        #: Of each strip the first and the last tile of what it is cut from.
        self._from, self._to = self._begin, self._end
        places = 0
        if not self._comes_whole:
            self._from, self._to = ZERO * strips, ZERO * strips
            places = (parts + 1) * axes.count
        #: Where a strip begins along the sliding axis.
        self._start = ZERO * (0 if sliding < 0 else strips)
        #: First elements and extents along the axes: of the latest contents, where the present one
        #: begins there, and the room for each of them.
        self._first, self._extent = ZERO * ((buffers + 1) * places), ZERO * ((buffers + 1) * places)
        self._present, self._places = 0, places
        for stay in range(self.stays):
            self._find_strips(stay)
        self._count_waits()

    def _longest_stay(self) -> int:
        """Return the uses of the content that has the most."""
        most = 0
        for stay in range(self.stays):
            most = max(most, self.first_use[stay + 1] - self.first_use[stay])
        return most

    def _make_room_for_parts(self) -> int:
        """Make room for what only regions of several parts need; return how many one may have."""
        rank, tiling = len(self._columns), self._tiling
        sliding = [] if self._sliding < 0 else self._axes.dimensions(self._sliding)
        #: What a part along each column adds to a part's number, and to what parts share that
        #: overlap along the sliding axis.
        self._radix, self._group_radix = ZERO * rank, ZERO * rank
        self._first_key, self._first_group, keys = 0, 0, 1
        for number in range(rank):
            d = tiling.cuts[self._columns[number]]
            self._radix[number] = keys
            self._group_radix[number] = 0 if d in sliding else keys
            self._first_key += keys * tiling.first_part[d]
            self._first_group += self._group_radix[number] * tiling.first_part[d]
            keys *= tiling.counts[d]
        #: Of each different part its place in the content that has seen it last, behind the parts
        #: of all contents before that, and of each group its newest strip.
        self._seen_as, self._parts = NO_STRIP * keys, 0
        self._newest = NO_STRIP * (0 if self._sliding < 0 else keys)
        most = min(keys, self._longest_stay())
        #: Of each part of the present content its first and its last use.
        self._part_first, self._part_last = ZERO * most, ZERO * most
        #: Of each strip of the present content the last use that needs it, and the strip before it
        #: along the axis.
        self._leave, self._before = ZERO * most, ZERO * most
        return most

    def box(self, strip: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return a strip's first index along each axis, negative in the padding, and elements."""
        axes, sliding = self._axes, self._sliding
        axes.settle(self._tiling)
        axes.span(self._tiling, self._from[strip], self._to[strip])
        if sliding >= 0:
            axes.begin_at(sliding, self._start[strip])
        return tuple(axes.first), tuple(axes.extent)

    def region(self, stay: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the same of a content."""
        axes = self._axes
        axes.settle(self._tiling)
        axes.span(self._tiling, self._begin[stay], self._end[stay])
        return tuple(axes.first), tuple(axes.extent)

    def _count_turns(self) -> int:
        """Return how often the loops outside the operand's place turn, the first time included."""
        turns = 1
        for tile in range(1, self._tiling.count):
            if self._tiling.changed[tile] < self._held:
                turns += 1
        return turns

    def _find_stays(self) -> None:
        """Part the uses into contents: a new one where the region moves."""
        tiling = self._tiling
        end, newest = 0, NONE
        for use in range(len(self._uses)):
            tile = self._uses[use]
            if tile < end:  # these loops haven't turned
                continue
            while end <= tile:
                begin, end = end, end + 1
                while end < tiling.count and tiling.changed[end] >= self._held:
                    end += 1
            if newest < 0 or self._is_elsewhere(begin, newest):
                newest = begin
                self.first_use[self.stays] = use
                self._begin[self.stays], self._end[self.stays] = begin, end - 1
                self.stays += 1
        self.first_use[self.stays] = len(self._uses)

    def _is_elsewhere(self, tile: int, other: int) -> bool:
        """Whether two tiles, each the first of its turn, don't begin the same region."""
        width = len(self._tiling.cuts)
        for number in range(len(self._columns)):
            column = self._columns[number]
            one = self._tiling.parts[tile * width + column]
            if one != self._tiling.parts[other * width + column]:
                return True
        return False

    def _find_strips(self, stay: int) -> None:
        """Note which strips of a content come before which use, and leave after which."""
        begin, end = self.first_use[stay], self.first_use[stay + 1]
        self._first_strip[stay] = self.strips
        self._axes.span(self._tiling, self._begin[stay], self._end[stay])
        if self._comes_whole:
            self._come_whole(stay, begin, end)
            return
        self._present = self._place(stay)
        self._note(0)
        parts = self._find_parts(begin, end)
        if parts == 1:
            self._note(1)
            self._come_whole(stay, begin, end)
        else:
            self._come_in_parts(stay, parts)
        if stay >= self._buffers:
            self._is_alike[stay] = self._are_alike(stay, stay - self._buffers)

    def _come_whole(self, stay: int, begin: int, end: int) -> None:
        self._come(begin, self._begin[stay], self._end[stay])
        self.departing[end - 1] = 1
        self._last_departure[stay] = end - 1

    def _find_parts(self, begin: int, end: int) -> int:
        """Note the first and the last use of each part of a content; return how many there are."""
        first, parts = self._parts, self._parts
        for use in range(begin, end):
            key = self._key(self._uses[use])
            if self._seen_as[key] < first:
                self._seen_as[key] = parts
                self._part_first[parts - first] = use
                parts += 1
            self._part_last[self._seen_as[key] - first] = use
        self._parts = parts
        return parts - first

    def _key(self, tile: int) -> int:
        """Return the number of a tile's part of the operand."""
        key, row = -self._first_key, tile * len(self._tiling.cuts)
        for number in range(len(self._columns)):
            key += self._radix[number] * self._tiling.parts[row + self._columns[number]]
        return key

    def _group(self, tile: int) -> int:
        """Return what parts share that overlap along the sliding axis."""
        group, row = -self._first_group, tile * len(self._tiling.cuts)
        for number in range(len(self._columns)):
            group += self._group_radix[number] * self._tiling.parts[row + self._columns[number]]
        return group

    def _come_in_parts(self, stay: int, parts: int) -> None:
        first, latest = self._first_strip[stay], self.first_use[stay]
        for part in range(parts):
            use, last_use = self._part_first[part], self._part_last[part]
            tile = self._uses[use]
            self._axes.span(self._tiling, tile, tile)
            self._leave[self.strips - first] = last_use
            if self._sliding < 0 or self._slide(first, tile, last_use):
                self._note(self.strips - first + 1)
                self._come(use, tile, tile)
        for strip in range(self.strips - first):  # in the order in which they came
            latest = max(latest, self._leave[strip])
            self.departing[latest] += 1
        self._last_departure[stay] = latest

    def _slide(self, first: int, tile: int, last_use: int) -> bool:
        """Leave of a part what no strip has, from ``first`` on: windows overlap along one axis.

        Return whether there is any.
        """
        axes, sliding = self._axes, self._sliding
        group, step = self._group(tile), axes.step[sliding]
        start = axes.first[sliding]
        stop, reach = start + axes.extent[sliding] * step, start
        earlier = self._newest[group]
        self._before[self.strips - first] = earlier
        while earlier >= first:  # ends ascend
            place = self._present + (earlier - first + 1) * axes.count + sliding
            other_stop = self._first[place] + self._extent[place] * step
            if other_stop <= start:
                break
            reach = max(reach, other_stop)
            self._leave[earlier - first] = max(self._leave[earlier - first], last_use)
            earlier = self._before[earlier - first]
        if reach >= stop:
            return False
        axes.begin_at(sliding, reach)
        self._newest[group] = self.strips
        return True

    def _come(self, use: int, begin: int, end: int) -> None:
        """Let what the axes have found come before a use: it is cut from these tiles."""
        strip = self.strips
        self.sizes[strip] = self._axes.size_bytes()
        self._from[strip], self._to[strip] = begin, end
        if self._sliding >= 0:
            self._start[strip] = self._axes.first[self._sliding]
        self.arrival[use] = strip
        self.strips += 1

    def _place(self, stay: int) -> int:
        """Return where a content is noted: its region, then its strips."""
        return stay % (self._buffers + 1) * self._places

    def _note(self, number: int) -> None:
        """Write down what the axes have found: the region as 0, strips from 1 on."""
        axes, place = self._axes, self._present + number * self._axes.count
        for axis in range(axes.count):
            self._first[place + axis] = axes.first[axis]
            self._extent[place + axis] = axes.extent[axis]

    def _are_alike(self, stay: int, other: int) -> bool:
        """Whether strips of two contents take the same places in order."""
        count = self.strips - self._first_strip[stay]
        if count != self._first_strip[other + 1] - self._first_strip[other]:
            return False
        rank, one, another = self._axes.count, self._place(stay), self._place(other)
        for axis in range(rank):
            moved = self._first[one + axis] - self._first[another + axis]
            for number in range(count + 1):
                place, earlier = one + number * rank + axis, another + number * rank + axis
                if (
                    self._extent[place] != self._extent[earlier]
                    or self._first[place] - self._first[earlier] != moved
                ):
                    return False
        return True

    def _count_waits(self) -> None:
        """Say how many strips must have left before each comes.

        None before the first contents, and nobody waits for the last ones to leave. As many leave
        with each content as the one that has the most has.
        """
        most, buffers = 0, self._buffers
        self._first_strip[self.stays] = self.strips
        for stay in range(self.stays):
            most = max(most, self._first_strip[stay + 1] - self._first_strip[stay])
        for stay in range(self.stays):
            begin, end = self._first_strip[stay], self._first_strip[stay + 1]
            missing = most - (end - begin)
            if stay + buffers >= self.stays:
                for use in range(self.first_use[stay], self.first_use[stay + 1]):
                    self.departing[use] = 0
            else:
                self.departing[self._last_departure[stay]] += missing
            if stay < buffers:
                continue
            is_alike = most == 1 or self._is_alike[stay]
            for strip in range(begin, end):
                self.waits[strip] = 1 if is_alike else 0
            if is_alike:
                self.waits[end - 1] += missing
            else:  # strips of another shape: all that was there must have left
                self.waits[begin] = most
