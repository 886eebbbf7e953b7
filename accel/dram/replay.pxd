# C types of replay.py.
cimport cython
from accel.dram.controller cimport Controller

cdef long long NEVER

cdef class _Replay:
    cdef long long[::1] _channel, _bank, _row, _address, _is_write, _wake
    cdef readonly long long[::1] accepted
    cdef list _controllers
    cdef long long _count, _channels, _width, _numerator, _denominator, _sent, _eligible

    cpdef void run(self)
    @cython.locals(controller=Controller)
    cdef void _offer(self, long long clock)
    @cython.locals(controller=Controller)
    cdef void _tick(self, long long clock)
    @cython.locals(controller=Controller)
    cdef long long _next_clock(self, long long clock)
    @cython.locals(controller=Controller)
    cdef bint _is_idle(self)
