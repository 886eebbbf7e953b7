# C types of weave.py.
cimport cython
from mapper.strips cimport Strips
from mapper.tiling cimport Tiling

cdef long long CODE_BITS, CODE_MASK, NONE, PRODUCT, SIGNAL, TRANSFER, VECTOR, WAIT

@cython.final
cdef class Line:
    cdef object _array
    cdef long long[::1] _all
    cdef long long _count

    cdef bint append(self, long long number) except -1
    cdef bint add(self, long long code, long long argument) except -1
    cdef bint repeat(self, long long code, long long argument, long long times) except -1
    cdef bint _grow(self) except -1

@cython.final
cdef class Weaver:
    cdef readonly Line load, matrix, vector, store, loads, sizes

    cpdef compute(self, long long tiles, long long[::1] results, list by_array, list by_vector,
                  long long[::1] products, long long[::1] cycles)
    cdef bint _arrive(self, Strips strips, long long operand, long long use,
                      Line consumer) except -1
    cdef bint _depart(self, Strips strips, long long operand, long long use,
                      Line consumer) except -1
    cdef bint _load(self, long long operand, long long part, long long size_bytes) except -1
    cdef bint _store(self, long long ring) except -1
    cpdef copy(self, long long[::1] sizes)
    cpdef look_up(self, long long[::1] indices, long long[::1] rows)

cpdef kinds_of(Tiling tiling, long long[::1] tiles, long long[::1] others, long long most)
cdef long long _classify(Tiling tiling, long long d, long long radix,
                         long long[::1] classes) noexcept
cdef long long _number_kinds(Tiling tiling, long long[::1] tiles, long long[::1] others,
                             long long[::1] classes, long long[::1] seen, long long[::1] kinds,
                             long long[::1] examples, long long[::1] times) noexcept
cdef void _start_sums(long long[::1] results, long long[::1] flags) noexcept
cdef void _choose(long long[::1] values, long long[::1] kinds, long long mask,
                  long long[::1] found) noexcept
