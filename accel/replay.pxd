# C types of replay.py.
cimport cython

cdef long long CODE_BITS, CODE_MASK, PRODUCT, SIGNAL, TRANSFER, VECTOR, WAIT
cdef long long COLUMNS, CONFLICT_STALL, EARLIEST, LATENCY, LEAD, OCCUPANCY, PORT_STALL
cdef long long NEVER, UNKNOWN, MAX_FS

@cython.final
cdef class Pace:
    cdef long long _numerator, _denominator, _most_steps, _most_distance

    @cython.locals(large=object)
    cpdef long long after(self, long long steps)
    @cython.locals(large=object)
    cpdef long long steps(self, long long distance)

@cython.final
cdef class Replay:
    cdef readonly long long now
    cdef Pace _clock
    cdef list _paces, _unfinished
    cdef object _outside
    cdef bint _is_asleep
    cdef long long[::1] _asked, _busy_until
    cdef readonly long long[::1] busy
    cdef long long _outstanding, _queues, _events
    cdef long long[::1] _latency_fs, _since_fs, _served_bytes, _free_fs
    cdef const long long[::1] _operations, _products, _sizes, _memory_of
    cdef long long[::1] _landed
    cdef long long[::1] _tokens, _first_token, _given, _taken, _waiter
    cdef long long[::1] _next, _end, _product_base, _semaphore_base, _transfer_base
    cdef long long[::1] _phase, _transfers, _time, _order, _is_landing, _free_cycle, _finished

    cdef long long _place_tokens(self, long long queues) noexcept
    cpdef long long run(self)
    cpdef long long finished(self, long long queue) noexcept
    cdef long long _first(self) noexcept
    cdef void _schedule(self, long long queue, long long cycle) noexcept
    cdef bint _step(self, long long queue) except -1
    cdef bint _signal(self, long long queue, long long semaphore) except -1
    cdef _ask(self, long long queue, long long number, long long place)
    cpdef land(self, long long queue, long long number, long long landed_fs)
    cdef _go_on(self)
    cdef bint _take(self, long long semaphore, long long queue) noexcept
    cdef void _give(self, long long semaphore, long long cycle) noexcept
    cdef bint _product(self, long long queue, long long row) noexcept
    cdef void _stall(self, long long queue, long long cycles) noexcept
    cdef bint _transfer(self, long long queue) except -1
    @cython.locals(pace=Pace)
    cdef long long _serve(self, long long memory, long long size_bytes)
