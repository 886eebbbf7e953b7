# C types of weave.py.
cimport cython
from mapper.tiling cimport Strips, Tiling

cdef long long CODES, PRODUCT, SIGNAL, TRANSFER, VECTOR, WAIT

@cython.final
cdef class Boxes:
    cdef long long _axes, _element_bytes
    cdef long long[::1] _offset, _step, _size, _first_term, _term_dimension, _coefficient
    cdef long long[::1] _elements

    cpdef of_strips(self, Strips strips)
    cpdef of_tiles(self, Tiling tiling, long long[::1] tiles)
    cdef void _fill_strips(self, Strips strips, long long[::1] sizes) noexcept
    cdef void _fill_tiles(self, Tiling tiling, long long[::1] tiles, long long[::1] sizes) noexcept
    cdef long long _inside(self, long long axis, long long first, long long extent)

@cython.final
cdef class Line:
    cdef object _array
    cdef long long[::1] _all
    cdef long long _count

    cdef bint add(self, long long code, long long argument) except -1
    cdef bint repeat(self, long long code, long long argument, long long times) except -1
    cdef _grow(self)

@cython.final
cdef class Weaver:
    cdef readonly Line load, matrix, vector, store, loads

    cpdef compute(self, Tiling tiling, long long[::1] results, list by_array, list by_vector,
                  long long[::1] products, long long[::1] cycles)
    cdef void _arrive(self, Strips strips, long long operand, long long use, Line consumer)
    cdef void _depart(self, Strips strips, long long operand, long long use, Line consumer)
    cdef void _store(self, long long ring)
    cpdef copy(self, long long tiles)
    cpdef look_up(self, long long tiles)

cdef long long _number_kinds(Tiling tiling, long long[::1] classes, long long[::1] radix,
                             long long[::1] seen, long long[::1] kinds, long long[::1] examples)

cdef void _pick(long long[::1] loads, long long operand, long long[::1] own, long long[::1] sizes) noexcept
