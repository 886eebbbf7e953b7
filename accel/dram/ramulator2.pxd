# C types of ramulator2.py.
from accel.dram.controller cimport Controller

cdef long long ACTIVATE, CLOSED, EVER, NEVER, NONE, PRECHARGE, PRECHARGE_ALL, READ, REFRESH
cdef long long ACTIVE, FIRST_READS

cdef class Ramulator2Controller(Controller):
    cdef long long _banks, _first_writes, _refresh_interval, _next_refresh, _next_rank
    cdef long long _found_wake, _main_bus, _row_bus, _writes_start, _writes_stop, _active_wake
    cdef bint _row_hits_first, _is_writing, _has_row_bus
    cdef long long[::1] _active_in, _hits, _wake, _occupied, _occupied_lists, _place

    cdef bint _issue_on(self, long long bus, long long now) noexcept
    cdef long long _list_of(self, long long slot) noexcept
    cdef long long _best_active(self, long long now) noexcept
    cdef long long _best_waiting(self, long long bus, long long now) noexcept
    cdef long long _only_command(self, long long number, long long bank) noexcept
    cdef long long _served_buffer(self) noexcept
    cdef long long _candidate(self, long long number, long long bus, long long now) noexcept
    cdef long long _hit_or_miss(self, long long number, long long head, long long bus,
                                long long now) noexcept
    cdef bint _may_issue(self, long long slot, long long bus, long long now) noexcept
    cdef long long _first_of(self, long long head, bint is_hit) noexcept
    cdef bint _is_edge_for(self, long long command, long long bank, long long now) noexcept
    cdef bint _is_held(self, long long bank) noexcept
    cdef bint _is_kept_open(self, long long miss, long long hit) noexcept
    cdef void _issue(self, long long slot, long long number, long long now) noexcept
    cdef void _activated(self, long long slot, long long now) noexcept
    cdef void _make_active(self, long long slot) noexcept
    cdef void _leave_buffer(self, long long slot, long long number) noexcept
    cdef void _set_hits(self, long long bank) noexcept
    cdef long long _count_hits(self, long long number) noexcept
    cdef long long _due(self) noexcept
    cdef long long _earliest_for_rank(self, long long command) noexcept
    cdef bint _issue_for_refresh(self, long long bus, long long now) noexcept
    cdef void _enter(self, long long number) noexcept
    cdef void _leave(self, long long number) noexcept
