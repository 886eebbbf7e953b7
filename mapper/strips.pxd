# C types of strips.py.
cimport cython
from mapper.tiling cimport Axes, Tiling

cdef long long NONE

@cython.final
cdef class Strips:
    cdef readonly long long stays, strips
    cdef readonly long long[::1] arrival, departing, waits, sizes, first_use
    cdef Tiling _tiling
    cdef Axes _axes
    cdef long long _parts, _held, _buffers, _sliding, _first_key, _first_group, _present, _places
    cdef bint _comes_whole
    cdef long long[::1] _uses, _columns, _radix, _group_radix, _begin, _end, _from, _to, _start
    cdef long long[::1] _first, _extent, _first_strip, _last_departure, _is_alike
    cdef long long[::1] _seen_as, _newest, _part_first, _part_last, _leave, _before

    cdef long long _longest_stay(self) noexcept
    cdef long long _count_turns(self) noexcept
    @cython.locals(tiling=Tiling, end="long long", begin="long long", newest="long long")
    cdef void _find_stays(self) noexcept
    cdef bint _is_elsewhere(self, long long tile, long long other) noexcept
    cdef void _find_strips(self, long long stay) noexcept
    cdef long long _find_parts(self, long long begin, long long end) noexcept
    cdef long long _key(self, long long tile) noexcept
    cdef long long _group(self, long long tile) noexcept
    cdef void _come_in_parts(self, long long stay, long long parts) noexcept
    @cython.locals(axes=Axes)
    cdef bint _slide(self, long long first, long long tile, long long last_use) noexcept
    cdef void _come_whole(self, long long stay, long long begin, long long end) noexcept
    cdef void _come(self, long long use, long long begin, long long end) noexcept
    cdef long long _place(self, long long stay) noexcept
    @cython.locals(axes=Axes)
    cdef void _note(self, long long number) noexcept
    cdef bint _are_alike(self, long long stay, long long other) noexcept
    cdef void _count_waits(self) noexcept
