"""The DRAM controllers against DRAMsim3 and Ramulator 2.1: streams replayed, row by row."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from math import log2
from pathlib import Path
from statistics import median

import numpy as np

from accel.dram.address import AddressMap, parse_map
from accel.dram.controllers import controller_for
from accel.dram.replay import Injection, RequestStream, replay
from accel.dram.spec import DramSpec, DramTiming
from accel.dram.transfers import Transfers
from foundation.errors import RooftileError, nearest
from rooftile.validate.patterns import Geometry, stream, stream_hash
from rooftile.validate.reference import integers, number_in, read_rows
from rooftile.validate.validation import Validation

#: Largest error of cycles and of mean read latency that passes, in percent.
MEDIAN_CYCLES, WORST_CYCLES, MEDIAN_LATENCY = 0.2, 2.0, 2.0

#: Our names of the simulators' controllers.
SIMULATORS = {"DRAMsim3": "dramsim3", "Ramulator2.1": "ramulator2"}
#: Ramulator's LPDDR5_6400: nAAD and nWCKPST, and how much nRPab is longer than nRP (lpddr5.py).
_LPDDR5_WINDOW, _LPDDR5_RUNS_ON, _LPDDR5_ALL_BANKS = 8, 1, 2
#: Clocks for which an activate and a column command hold the command bus in Ramulator's standards.
_SLOTS = {"HBM2": (2, 1), "HBM3": (3, 2), "DDR5": (2, 2)}
#: Standards for which DRAMsim3 knows a wait between precharges, and between 32 activates.
_WITH_PPD, _WITH_AW32 = ("GDDR5", "GDDR5X", "GDDR6", "LPDDR4"), ("GDDR5", "GDDR5X", "GDDR6")

_SIZES = ("n_requests", "transaction_bytes", "row_bytes", "bank_stride_bytes", "inject_width")
_REQUIRED = (
    *("simulator", "config", "pattern", "rate", "trace_fnv", "cycles", "activates"),
    *("avg_read_latency_cycles", "elig_num", "elig_den", *_SIZES),
)
_ORGANISATION = ("channels", "pseudochannels", "ranks", "sids", "bankgroups", "banks_per_group")

_CLOCKS = (
    *("burst_cycles", "AL", "CL", "CWL", "tRCDRD", "tRCDWR", "tRP", "tRAS", "tRC", "tRRD_S"),
    *("tRRD_L", "tFAW", "t32AW", "tCCD_S", "tCCD_L", "tCCD_S_WR", "tCCD_L_WR", "tRTP", "wr_to_pre"),
    *("tPPD", "rd_to_wr", "wr_to_rd_S", "wr_to_rd_L", "rd_to_rd_other_rank"),
    *("rd_to_wr_other_rank", "wr_to_rd_other_rank", "wr_to_wr_other_rank", "tRFC", "tREFI"),
)
_CONFIGURATION = (
    *("simulator", "config", "standard", "addr_map_name", "addr_map_lsb_to_msb", "cmd_bus"),
    *("page_policy", "scheduler", "refresh", "read_queue", "write_queue", "cmd_queue_per_bank"),
    *("rows", "row_bytes", "transaction_bytes", *_ORGANISATION, *_CLOCKS),
)

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What a replay came to, beside the reference's figures.

    Parameters
    ----------
    simulator, title
        Which row it is.
    cycles, read_latency_cycles, activates
        (ours, the reference's) pairs: end of the last burst, mean over the reads, count.
    """

    simulator: str
    title: str
    cycles: tuple[float, float]
    read_latency_cycles: tuple[float, float]
    activates: tuple[float, float]

    @property
    def errors(self) -> tuple[float, float, float]:
        """Errors of cycles, read latency and activates in percent."""
        pairs = (self.cycles, self.read_latency_cycles, self.activates)
        cycles, latency, activates = (
            100 * (ours / theirs - 1) if theirs else 0.0 for ours, theirs in pairs
        )
        return cycles, latency, activates


def validate_dram(
    reference: Path,
    timings: Path,
    *,
    every: int = 1,
    progress: Callable[[str], None] | None = None,
) -> Validation:
    """Replay every row of a reference on the controller that it names.

    Parameters
    ----------
    reference
        CSV with a stream, an injection rate and the reference's figures a row.
    timings
        CSV with a configuration a row.
    every
        Take each ``every``-th row only.
    progress
        Called with a line for the terminal.

    Raises
    ------
    RooftileError
        When a file isn't such a reference: which line and column.
    """
    configurations = {
        (row["simulator"], row["config"]): (f"{timings}:{number}", row)
        for number, row in read_rows(timings, _CONFIGURATION)
    }
    tasks = []
    for number, row in read_rows(reference, _REQUIRED)[::every]:
        where = f"{reference}:{number}"
        key = (row["simulator"], row["config"])
        if key not in configurations:
            raise RooftileError(f"{where}: config '{row['config']}' isn't in {timings}")
        tasks.append((row, where, *configurations[key]))
    results = []
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        for result in pool.map(_replay_row, tasks):
            results.append(result)
            if progress:
                progress(f"replayed {len(results)} of {len(tasks)}")
    return _summary(results)


def _summary(results: Sequence[Replayed]) -> Validation:
    lines = [f"{'':<58}{'cycles':>12}{'read latency':>14}{'activates':>11}  (errors)"]
    for result in results:
        cycles, latency, activates = result.errors
        exact = " exact" if result.cycles[0] == result.cycles[1] else f"{cycles:+.3f} %"
        lines.append(f"{result.title:<58}{exact:>12}{latency:>+12.3f} %{activates:>+9.3f} %")
    passed = True
    for simulator in dict.fromkeys(result.simulator for result in results):
        own = [result for result in results if result.simulator == simulator]
        in_cycles = [abs(result.errors[0]) for result in own]
        in_latency = [abs(result.errors[1]) for result in own]
        exact_rows = sum(result.cycles[0] == result.cycles[1] for result in own)
        lines.append(
            f"{simulator}: {len(own)} rows, {exact_rows} exact; cycles median"
            f" {median(in_cycles):.3f} %, worst {max(in_cycles):.3f} %; read latency median"
            f" {median(in_latency):.3f} %, worst {max(in_latency):.3f} %"
        )
        passed &= median(in_cycles) <= MEDIAN_CYCLES and max(in_cycles) <= WORST_CYCLES
        passed &= median(in_latency) <= MEDIAN_LATENCY
    return Validation(text="\n".join(lines), passed=passed)


def _replay_row(task: tuple[Row, str, str, Row]) -> Replayed:
    """Replay one row: (row, its place, the configuration's place, the configuration)."""
    row, where, timings_where, timings = task
    if row["simulator"] not in SIMULATORS:
        raise RooftileError(
            f"{where}: simulator '{row['simulator']}' must be one of {', '.join(SIMULATORS)}"
            f"{nearest(row['simulator'], SIMULATORS)}"
        )
    spec = dram_spec(timings, timings_where)
    requests = _requests(row, where, spec, address_map(timings, timings_where), timings)
    (count,) = integers(timings, ("channels",), timings_where)
    controller = controller_for(SIMULATORS[row["simulator"]], timings["standard"])
    transfers = _one_for_each(len(requests.address))
    channels = [controller(spec, transfers, False) for _ in range(count)]
    width, denominator = integers(row, ("inject_width", "elig_den"), where)
    spacing = Fraction(int(number_in(row, "elig_num", where)), denominator)
    accepted = replay(requests, channels, Injection(width=width, spacing_clocks=spacing))
    finished = np.asarray(transfers.last)
    is_read = (finished >= 0) & (np.asarray(requests.is_write) == 0)
    latencies = (finished - accepted)[is_read]
    return Replayed(
        simulator=row["simulator"],
        title=f"{row['simulator']} {row['config']} {row['pattern']} {row['rate']}",
        cycles=(int(finished.max()), number_in(row, "cycles", where)),
        read_latency_cycles=(
            round(int(latencies.sum()) / max(len(latencies), 1), 3),
            number_in(row, "avg_read_latency_cycles", where),
        ),
        activates=(
            sum(channel.banks.activates for channel in channels),
            number_in(row, "activates", where),
        ),
    )


def _one_for_each(requests: int) -> Transfers:
    """Return a transfer for each request."""
    transfers = Transfers(requests)
    for _ in range(requests):
        transfers.open(1)
    return transfers


def _requests(
    row: Row, where: str, spec: DramSpec, address_map: AddressMap, timings: Row
) -> RequestStream:
    """Return the row's stream."""
    count, transaction_bytes, row_bytes, bank_stride_bytes, _ = integers(row, _SIZES, where)
    geometry = Geometry(
        transaction_bytes=transaction_bytes,
        row_bytes=row_bytes,
        bank_stride_bytes=bank_stride_bytes,
    )
    addresses, writes = stream(row["pattern"], count, geometry)
    found = stream_hash(addresses, writes)
    if found != row["trace_fnv"]:
        raise RooftileError(
            f"{where}: column 'trace_fnv' is {row['trace_fnv']} but pattern '{row['pattern']}' is"
            f" the stream {found} here"
        )
    transactions = addresses // transaction_bytes
    places = address_map.places(transactions, spec, max(int(timings["sids"]), 1))
    columns = (*places, transactions, writes.astype(np.int64))
    channel, bank_, row_, address, is_write = (array("q", c.tolist()) for c in columns)
    return RequestStream(channel=channel, bank=bank_, row=row_, address=address, is_write=is_write)


def address_map(timings: Row, where: str) -> AddressMap:
    """Return a configuration's address map."""
    if timings["addr_map_name"] != "MOP4CLXOR":
        try:
            return parse_map(timings["addr_map_lsb_to_msb"])
        except ValueError as error:
            raise RooftileError(f"{where}: column 'addr_map_lsb_to_msb': {error}") from None
    sizes = integers(timings, ("ranks", "bankgroups", "banks_per_group", "rows"), where)
    ranks, groups, banks, rows = (int(log2(size)) for size in sizes)
    row_bytes, transaction_bytes = integers(timings, ("row_bytes", "transaction_bytes"), where)
    columns = int(log2(row_bytes // transaction_bytes))
    fields = (("co", 2), ("ra", ranks), ("bg", groups), ("ba", banks), ("co", columns - 2))
    return AddressMap(fields=(*fields, ("ro", rows)), is_hashed=True)


def dram_spec(timings: Row, where: str) -> DramSpec:
    """Return the channel and controller of a configuration."""
    pseudochannels, ranks, sids, groups, banks = integers(timings, _ORGANISATION[1:], where)
    queues = integers(timings, ("read_queue", "write_queue"), where)
    spec = DramSpec(
        timing=_timing(timings, where),
        ranks=pseudochannels if pseudochannels > 1 else ranks,
        bank_groups=groups * sids,
        banks_per_group=banks,
        has_pseudochannels=pseudochannels > 1,
        has_two_command_buses="row" in timings["cmd_bus"],
        closes_pages="CLOSE" in timings["page_policy"],
        read_queue=queues[0],
        write_queue=queues[1],
        row_hits_first="RowHit" in timings["scheduler"],
    )
    if timings["simulator"] == "DRAMsim3":
        return replace(spec, command_queue=integers(timings, ("cmd_queue_per_bank",), where)[0])
    if timings["standard"] == "LPDDR5":
        return replace(
            spec,
            timing=replace(spec.timing, rp_all=spec.timing.rp + _LPDDR5_ALL_BANKS),
            activate_window=_LPDDR5_WINDOW,
            data_clock_runs_on=_LPDDR5_RUNS_ON,
        )
    return spec


def _timing(timings: Row, where: str) -> DramTiming:
    """Return a configuration's timings; an empty column is 0."""

    def clocks(column: str) -> int:
        return int(number_in(timings, column, where)) if timings[column] else 0

    standard, is_dramsim3 = timings["standard"], timings["simulator"] == "DRAMsim3"
    activate_slots, column_slots = (1, 1) if is_dramsim3 else _SLOTS.get(standard, (1, 1))
    has_refresh = "NoRefresh" not in timings["refresh"]
    return DramTiming(
        burst=clocks("burst_cycles"),
        read_latency=clocks("AL") + clocks("CL"),
        write_latency=clocks("AL") + clocks("CWL"),
        rcd_read=clocks("tRCDRD") - clocks("AL"),
        rcd_write=clocks("tRCDWR") - clocks("AL"),
        rp=clocks("tRP"),
        rp_all=clocks("tRP"),
        ras=clocks("tRAS"),
        rc=clocks("tRC"),
        rrd_s=clocks("tRRD_S"),
        rrd_l=clocks("tRRD_L"),
        faw=clocks("tFAW"),
        aw32=clocks("t32AW") if is_dramsim3 and standard in _WITH_AW32 else 0,
        ccd_s=clocks("tCCD_S"),
        ccd_l=clocks("tCCD_L"),
        ccd_s_write=clocks("tCCD_S_WR"),
        ccd_l_write=clocks("tCCD_L_WR"),
        rtp=clocks("AL") + clocks("tRTP"),
        write_to_precharge=clocks("wr_to_pre"),
        ppd=clocks("tPPD") if not is_dramsim3 or standard in _WITH_PPD else 0,
        read_to_write=clocks("rd_to_wr"),
        write_to_read_s=clocks("wr_to_rd_S"),
        write_to_read_l=clocks("wr_to_rd_L"),
        read_to_read_other=clocks("rd_to_rd_other_rank"),
        read_to_write_other=clocks("rd_to_wr_other_rank"),
        write_to_read_other=clocks("wr_to_rd_other_rank"),
        write_to_write_other=clocks("wr_to_wr_other_rank"),
        rfc=clocks("tRFC"),
        refi=clocks("tREFI") if has_refresh else 0,
        activate_slots=activate_slots,
        column_slots=column_slots,
    )
