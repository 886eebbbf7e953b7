# C types of transfers.py.
cdef long long NONE

cdef class Transfers:
    cdef readonly long long[::1] left, last
    cdef long long[::1] _next_free, _completed_before
    cdef long long _free, _slots, _newest
    cdef readonly long long complete

    cpdef long long open(self, long long requests)
    cdef void finish(self, long long number, long long clock) noexcept
    cpdef long long take_complete(self) noexcept
    cpdef long long close(self, long long number) noexcept
    cdef _grow(self)
