"""DRAM controllers: requests per second on one core (`make bench`), and a soak (`make soak`)."""

from __future__ import annotations

import resource
import sys
import time
from array import array
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from accel.dram.address import parse_map
from accel.dram.channels import Channels, Segment, Window
from accel.dram.controllers import controller_for
from accel.dram.replay import Injection, RequestStream, replay
from accel.dram.standards import Standard, interleaved_map, load_standard
from accel.dram.transfers import Transfers

STANDARD = "ddr4_3200"
#: Rows first, as the reference simulators have it where their speed was measured.
ROWS_FIRST = "co:7 bg:2 ba:2 ro:16"
REQUESTS = 500_000
RUNS = 5
#: Requests per second that are promised of the default controller where it is compiled.
STREAMING, RANDOM = 5e6, 1e6
#: Bytes over which random addresses are spread.
FOOTPRINT_BYTES = 1 << 28

SOAK_REQUESTS = 10**8
SOAK_BATCH = 1 << 16


def numbers(
    pattern: str, count: int, standard: Standard
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the transactions of a pattern: one after the other, or random."""
    if pattern == "streaming":
        return np.arange(count, dtype=np.int64)
    places = FOOTPRINT_BYTES // standard.organisation.transaction_bytes
    return np.random.default_rng(0).integers(0, places, count)


def requests(standard: Standard, pattern: str) -> RequestStream:
    """Return reads of a pattern."""
    transactions = numbers(pattern, REQUESTS, standard)
    places = parse_map(ROWS_FIRST).places(transactions, standard.channel("ramulator2"), 1)
    columns = (*places, transactions, np.zeros(REQUESTS, np.int64))
    channel, banks, rows, addresses, writes = (array("q", c.tolist()) for c in columns)
    return RequestStream(channel=channel, bank=banks, row=rows, address=addresses, is_write=writes)


def requests_per_s(controller: str, pattern: str) -> float:
    """Return the most requests per second of several runs."""
    standard = load_standard(STANDARD)
    stream, best = requests(standard, pattern), 0.0
    make = controller_for(controller, standard.family)
    for _ in range(RUNS):
        transfers = Transfers(REQUESTS)
        for _ in range(REQUESTS):
            transfers.open(1)
        channel = make(standard.channel(controller), transfers, False)
        start = time.perf_counter()
        replay(stream, [channel], Injection(width=1, spacing_clocks=Fraction(0)))
        best = max(best, REQUESTS / (time.perf_counter() - start))
    return best


def lines() -> Iterator[str]:
    """Yield the lines of the table."""
    for controller in ("ramulator2", "dramsim3"):
        for pattern, promised in (("streaming", STREAMING), ("random", RANDOM)):
            found = requests_per_s(controller, pattern)
            met = "met" if found >= promised else "NOT MET"
            yield (
                f"{controller + ', ' + STANDARD:<23} {pattern:<10} {found / 1e6:5.2f} million"
                f" requests/s   limit {promised / 1e6:.0f}   {met}"
            )


def soak(count: int = SOAK_REQUESTS) -> Iterator[str]:
    """Send very many requests through one controller, and yield how much memory it takes."""
    standard = load_standard(STANDARD)
    spec = standard.channel("ramulator2")
    window = Window(1, 64)
    controller = controller_for("ramulator2", standard.family)(spec, window, True)
    channels = Channels([controller], window, 1, spec.timing.burst, spec.timing.write_to_read_l, 0)
    address_map = interleaved_map(standard.organisation.field_sizes(1))
    start, first_mb, sent, served = time.perf_counter(), 0.0, 0, 0
    while served < count:
        transactions = np.arange(sent, sent + SOAK_BATCH, dtype=np.int64)
        places = address_map.places(transactions, spec, 1)
        number, is_write = window.open(SOAK_BATCH), sent // SOAK_BATCH % 3 == 2
        columns = (transactions, places.bank, places.row)
        address, banks, rows = (array("q", column.tobytes()) for column in columns)
        channels.send(0, 0, Segment(number, is_write, channels.clock, address, banks, rows))
        sent += SOAK_BATCH
        while window.complete == 0:
            channels.advance(channels.clock + (1 << 40))
        window.close(window.take_complete())
        served += SOAK_BATCH
        megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        if served <= count // 10:
            first_mb = megabytes
    seconds = time.perf_counter() - start
    yield (
        f"soak: {served:,} requests accepted, {channels.requests:,} counted, {seconds:.0f} s,"
        f" {channels.clock:,} clocks; {first_mb:.1f} MB after a tenth of them,"
        f" {megabytes:.1f} MB at the end"
    )


def main() -> None:
    """Print the table, or run the soak."""
    for line in soak() if sys.argv[1:] == ["--soak"] else lines():
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
