# C types of tiling.py.
cimport cython

@cython.final
cdef class Tiling:
    cdef readonly long long count, rank
    cdef readonly list turning
    cdef readonly long long[::1] extents, counts, cuts, column, parts, changed, lows, sizes
    cdef readonly long long[::1] first_part, loop_of, step_of

    cdef void _count_up(self, long long[::1] numbers) noexcept
    cpdef tuple low(self, long long tile)
    cpdef tuple size(self, long long tile)
    cdef long long _part(self, long long tile, long long d) noexcept
    cdef long long _find_results(self, long long[::1] found, long long[::1] columns) noexcept
    cdef void _walk(self, long long depth, long long[::1] number, long long[::1] parent,
                    long long[::1] at, long long[::1] end, long long[::1] first,
                    long long[::1] place) noexcept

@cython.final
cdef class Axes:
    cdef readonly long long count
    cdef readonly long long[::1] step, first, extent
    cdef long long _element_bytes
    cdef long long[::1] _offset, _size, _first_term, _term_dimension, _coefficient, _elements
    cdef long long[::1] _whole, _first_cut, _cut, _column

    cpdef tile_bytes(self, Tiling tiling, long long[::1] tiles)
    cdef void _fill(self, Tiling tiling, long long[::1] tiles, long long[::1] sizes) noexcept
    cdef void settle(self, Tiling tiling) noexcept
    cdef void begin_at(self, long long axis, long long first) noexcept
    cdef void span(self, Tiling tiling, long long begin, long long end) noexcept
    cdef long long size_bytes(self) noexcept
    cdef long long _inside(self, long long axis) noexcept
