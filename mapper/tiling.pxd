# C types of tiling.py.
cimport cython

cdef long long NONE

@cython.final
cdef class Tiling:
    cdef readonly long long count, rank
    cdef readonly long long[::1] extents, counts, places, changed, lows, sizes, first_part
    cdef readonly long long[::1] loop_of, step_of

    cdef long long _find_results(self, long long[::1] found, long long[::1] depends)
    cdef void _walk(self, long long depth, long long[::1] number, long long[::1] parent,
                    long long[::1] at, long long[::1] end, long long[::1] first,
                    long long[::1] place) noexcept

@cython.final
cdef class Strips:
    cdef readonly long long stays, strips
    cdef readonly long long[::1] stay_of, departing, arrival, waits, first, extent
    cdef readonly long long[::1] region_first, region_extent, region_size
    cdef Tiling _tiling
    cdef long long _held, _rank, _axes, _sliding
    cdef bint _comes_whole
    cdef long long[::1] _uses, _offset, _step, _first_term, _term_dimension, _coefficient
    cdef long long[::1] _elements
    cdef long long[::1] _radix, _depends, _stay_of_strip, _region_low, _first_use, _first_strip
    cdef long long[::1] _last_departure, _seen_in, _seen_as, _newest_in, _newest
    cdef long long[::1] _part_first, _part_last, _leave, _before

    cdef long long _count_moves(self)
    cdef bint _has_moved(self, long long last, long long tile)
    cdef void _find_stays(self) noexcept
    @cython.locals(tiling=Tiling)
    cdef void _set_region(self, long long tile, long long stay) noexcept
    cdef bint _is_elsewhere(self, long long stay)
    cdef void _set_region_span(self, long long stay) noexcept
    @cython.locals(tiling=Tiling)
    cdef void _set_span(self, long long tile, long long strip) noexcept
    cdef long long _key(self, long long tile)
    cdef long long _group(self, long long tile, long long key)
    cdef void _find_strips(self, long long stay) noexcept
    cdef void _come_whole(self, long long stay, long long begin, long long end) noexcept
    cdef void _come(self, long long stay, long long use, long long last_use) noexcept
    cdef void _count_waits(self, long long buffers) noexcept
    cdef bint _are_alike(self, long long stay, long long other)
