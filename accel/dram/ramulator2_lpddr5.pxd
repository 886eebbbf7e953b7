# C types of ramulator2_lpddr5.py.
cimport cython
from accel.dram.ramulator2 cimport Ramulator2Controller

cdef long long ACTIVATE, NEVER, NONE, READ, WRITE, ACTIVE

@cython.final
cdef class Lpddr5Controller(Ramulator2Controller):
    cdef long long _activate_window, _data_clock_runs_on, _activating, _deadline
    cdef long long _synchronised, _synchronised_list, _clock_stops

    cdef bint _access_synchronised(self, long long now) noexcept
    cdef bint _activate_second(self, long long until) noexcept
