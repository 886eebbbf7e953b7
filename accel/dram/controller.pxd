# C types of controller.py.
from accel.dram.banks cimport Banks
from accel.dram.requests cimport Requests
from accel.dram.transfers cimport Transfers

cdef long long ACTIVATE, CLOSED, PRECHARGE, READ, READ_PRECHARGE, WRITE, WRITE_PRECHARGE

cdef class Controller:
    cdef readonly Banks banks
    cdef readonly long long reads, writes, last_column, last_data, refreshes_due, refreshed
    cdef Requests _requests
    cdef Transfers _transfers
    cdef bint _posts_writes
    cdef long long _read_queue, _write_queue, _read_command, _write_command
    cdef long long _read_clocks, _write_clocks, _refresh_clocks

    cpdef bint can_accept(self, bint is_write) noexcept
    cpdef void accept(self, long long address, long long bank, long long row, bint is_write,
                      long long transfer, long long clock)
    cpdef bint tick(self, long long clock) noexcept
    cpdef long long next_change(self, long long clock) noexcept
    cpdef bint is_idle(self) noexcept
    cpdef bint waits_for_row(self) noexcept
    cdef long long _needed(self, long long slot) noexcept
    cdef long long _access(self, long long slot, long long clock) noexcept
    cdef void _post(self, long long transfer, long long clock) noexcept
