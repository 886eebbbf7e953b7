"""What a DRAM channel is made of, and its timings in command clocks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DramTiming:
    """Timings of a standard's commands, in command clocks; JEDEC's names.

    Parameters
    ----------
    burst
        Clocks in which a transaction's data is on the bus.
    read_latency, write_latency
        CL and CWL, additive latency included.
    rcd_read, rcd_write, rp, rp_all, ras, rc
        Row to column, precharge (of a bank, of all), row active, row cycle.
    rrd_s, rrd_l, faw, aw32
        Between activates of different and of the same bank group; of four, of 32 (0: no limit).
    ccd_s, ccd_l, ccd_s_write, ccd_l_write
        Between column commands of different and of the same bank group.
    rtp, write_to_precharge, ppd
        Column command to precharge, precharge to precharge.
    read_to_write, write_to_read_s, write_to_read_l
        Turnarounds within a rank.
    read_to_read_other, read_to_write_other, write_to_read_other, write_to_write_other
        Turnarounds between ranks; they may be negative.
    rfc, refi
        Refresh cycle and refresh interval; an interval of 0 means no refresh.
    activate_slots, column_slots
        Clocks for which an activate or a column command holds the command bus.
    """

    burst: int
    read_latency: int
    write_latency: int
    rcd_read: int
    rcd_write: int
    rp: int
    rp_all: int
    ras: int
    rc: int
    rrd_s: int
    rrd_l: int
    faw: int
    aw32: int
    ccd_s: int
    ccd_l: int
    ccd_s_write: int
    ccd_l_write: int
    rtp: int
    write_to_precharge: int
    ppd: int
    read_to_write: int
    write_to_read_s: int
    write_to_read_l: int
    read_to_read_other: int
    read_to_write_other: int
    write_to_read_other: int
    write_to_write_other: int
    rfc: int
    refi: int
    activate_slots: int = 1
    column_slots: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DramSpec:
    """A channel and its controller.

    Parameters
    ----------
    timing
        In command clocks.
    ranks
        Ranks that share a data bus, or pseudo-channels with one each.
    bank_groups, banks_per_group
        Of a rank.
    has_pseudochannels
        Whether ``ranks`` are pseudo-channels: no turnaround between them.
    has_two_command_buses
        Whether a row and a column command can be issued in one clock.
    closes_pages
        Whether every column command precharges its bank.
    read_queue, write_queue
        Transactions that the controller buffers.
    command_queue
        Commands in each bank's queue, where the controller has such queues.
    row_hits_first
        Whether a row hit keeps its row open against older requests to the bank.
    activate_window
        Clocks between the two halves of an activate, at most (LPDDR5).
    data_clock_runs_on
        Clocks for which the data clock runs behind an access (LPDDR5).
    """

    timing: DramTiming
    ranks: int
    bank_groups: int
    banks_per_group: int
    has_pseudochannels: bool = False
    has_two_command_buses: bool = False
    closes_pages: bool = False
    read_queue: int = 32
    write_queue: int = 32
    command_queue: int = 8
    row_hits_first: bool = True
    activate_window: int = 0
    data_clock_runs_on: int = 0

    @property
    def banks_per_rank(self) -> int:
        """Banks of a rank."""
        return self.bank_groups * self.banks_per_group

    @property
    def banks(self) -> int:
        """Banks of the channel."""
        return self.ranks * self.banks_per_rank
