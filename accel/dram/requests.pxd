# C types of requests.py.
cimport cython

cdef long long NONE, BUCKETS

@cython.final
cdef class Requests:
    cdef long long[::1] address, bank, row, is_write, transfer, accepted, order, following
    cdef readonly long long[::1] head, length
    cdef long long[::1] _preceding, _in_bucket, _bucket, _tail
    cdef long long _free, _added, _slots

    cdef long long add(self, long long address, long long bank, long long row, long long is_write,
                       long long transfer, long long clock)
    cdef void release(self, long long slot) noexcept
    cdef void append(self, long long number, long long slot) noexcept
    cdef void remove(self, long long number, long long slot) noexcept
    cdef void index(self, long long slot) noexcept
    cdef void forget(self, long long slot) noexcept
    cdef long long find(self, long long address, long long is_write) noexcept
    cdef long long _bucket_of(self, long long address) noexcept
    cdef _grow(self)
