# C types of ramulator2_hbm3.py.
cimport cython
from accel.dram.ramulator2 cimport Ramulator2Controller

cdef long long ACTIVATE, NONE, PRECHARGE, PRECHARGE_ALL, READ, REFRESH, WRITE

@cython.final
cdef class Hbm3Controller(Ramulator2Controller):
    cdef long long _shadow_edge, _shadow_command, _shadow_bank

    cdef void _cast_shadow(self, long long command, long long bank, long long now) noexcept
