# C types of dramsim3.py.
cimport cython
from accel.dram.controller cimport Controller

cdef long long ACTIVATE, CLOSED, NEVER, NONE, PRECHARGE, READ, REFRESH, WRITE_PRECHARGE
cdef long long ROW_HIT_LIMIT, IDLE_DRAIN, READS, WRITES, FIRST_BANK

@cython.final
cdef class DramSim3Controller(Controller):
    cdef long long _banks, _command_queue, _queued, _queued_writes, _turn, _draining, _occupied_banks
    cdef long long _next_rank, _refresh_interval, _next_refresh, _stopped_rank, _found_command, _first_wake
    cdef bint _has_two_buses
    cdef long long[::1] _occupied, _place, _wake, _waiting, _waiting_for, _movable

    cdef long long _issue_for_refresh(self, long long clock) noexcept
    cdef long long _issue_next(self, long long clock, long long beside) noexcept
    cdef long long _next_ready(self, long long clock) noexcept
    cdef bint _is_stopped(self, long long bank) noexcept
    cdef long long _first_ready(self, long long bank, long long clock) noexcept
    cdef long long _first_ready_of_row(self, long long bank, long long head, long long clock) noexcept
    cdef bint _is_allowed(self, long long command, long long slot, long long head) noexcept
    cdef bint _overtakes_read(self, long long head, long long slot) noexcept
    cdef bint _keeps_row_open(self, long long head) noexcept
    cdef void _issue(self, long long slot, long long command, long long clock) noexcept
    cdef bint _schedule_transaction(self) noexcept
    cdef void _move(self, long long slot, long long source) noexcept
    cdef void _look_at(self, long long bank, long long clock) noexcept
    cdef void _leave(self, long long bank) noexcept

cdef bint is_column(long long command) noexcept
