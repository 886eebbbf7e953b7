# C types of channels.py.
cimport cython
from accel.dram.controller cimport Controller
from accel.dram.transfers cimport Transfers

cdef long long NEVER, NONE, DATA, IDLE, LATENCY, QUEUE, REFRESHING, ROW, STATES

@cython.final
cdef class Window(Transfers):
    cdef long long _size
    cdef bint is_released
    cdef long long[::1] _transfer_of, _free_from, _place, _engine_of

    cdef long long free_from(self, long long engine) noexcept
    cdef long long ticket(self, long long engine, long long transfer) noexcept

@cython.final
cdef class Segment:
    cdef long long transfer, arrival, sent, count
    cdef bint is_write
    cdef long long[::1] address, bank, row
    cdef Segment following

@cython.final
cdef class Channels:
    cdef readonly Window window
    cdef readonly long long clock, requests
    cdef long long _channels, _engines, _column_clocks, _turnaround_clocks
    cdef list _controllers, _heads, _tails
    cdef long long[::1] _lines, _turn, _wake, _accounted
    cdef readonly long long[::1] spent

    @cython.locals(tail=Segment)
    cpdef void send(self, long long engine, long long channel, Segment segment)
    cpdef void advance(self, long long until)
    cdef void _wake_waiting(self) noexcept
    cpdef void account(self)
    @cython.locals(controller=Controller)
    cdef void _step(self, long long channel)
    @cython.locals(segment=Segment)
    cdef long long _offer(self, long long channel, Controller controller)
    cdef void _accept(self, long long channel, long long engine, Segment segment, Controller controller)
    @cython.locals(controller=Controller)
    cdef void _account(self, long long channel)
    cdef void _account_waiting(self, long long channel, Controller controller, long long start,
                               long long end)
