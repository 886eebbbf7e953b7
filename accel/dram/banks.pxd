# C types of banks.py: without them the module runs as it is, some hundred times slower.
cimport cython

cdef long long ACTIVATE, BANK, CHANNEL, CLOSED, COMMANDS, EVER, GROUP, OTHER_RANKS
cdef long long PRECHARGE_ALL, RANK, READ, REFRESH, WRITE

@cython.final
cdef class Banks:
    cdef readonly long long count, ranks, per_rank, groups, activates
    cdef readonly long long[::1] open_row, hits
    cdef long long[::1] _group_of, _rank_of
    cdef long long[::1] _ready
    cdef long long _group_times, _rank_times, _channel_times
    cdef long long[::1] _first, _following, _clocks
    cdef long long _windows, _ring_size
    cdef long long[::1] _window_length, _window_clocks, _activated, _oldest

    cdef long long rank_of(self, long long bank) noexcept
    cpdef long long earliest(self, long long command, long long bank) noexcept
    cpdef void issue(self, long long command, long long bank, long long row, long long clock) noexcept
    cdef void _delay(self, long long entry, long long first, long long step, long long clock) noexcept
    cdef void _change_state(self, long long command, long long bank, long long row,
                            long long clock) noexcept
    cdef void _close(self, long long bank) noexcept
