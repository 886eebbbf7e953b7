"""DDR4-2400 with two ranks, as both reference simulators have it."""

from __future__ import annotations

from accel.dram.spec import DramSpec, DramTiming

TIMING = DramTiming(
    burst=4,
    read_latency=17,
    write_latency=12,
    rcd_read=17,
    rcd_write=17,
    rp=17,
    rp_all=17,
    ras=39,
    rc=56,
    rrd_s=4,
    rrd_l=6,
    faw=26,
    aw32=0,
    ccd_s=4,
    ccd_l=6,
    ccd_s_write=4,
    ccd_l_write=6,
    rtp=9,
    write_to_precharge=34,
    ppd=0,
    read_to_write=10,
    write_to_read_s=19,
    write_to_read_l=25,
    read_to_read_other=5,
    read_to_write_other=10,
    write_to_read_other=0,
    write_to_write_other=4,
    rfc=420,
    refi=9360,
)
SPEC = DramSpec(timing=TIMING, ranks=2, bank_groups=4, banks_per_group=4)
