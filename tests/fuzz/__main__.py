"""`make fuzz`: mutated files of every format, and what the loaders make of them."""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz.formats import FORMATS, Format
from tests.fuzz.survival import Outcome, files_of, survive

_SHARE = 1000
_HEAD = ("format", "files", "accepted", "refused", "failed", "slowest", "peak memory", "seconds")


def main() -> int:
    """Print a line for each format, and return 1 if anything but our errors came out of one."""
    names = [form.name for form in FORMATS]
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("formats", nargs="*", metavar="FORMAT", help=f"of {', '.join(names)}")
    parser.add_argument("--count", type=int, default=100_000, help="files of each format")
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-j", "--jobs", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for files that failed")
    asked = parser.parse_args()
    for name in asked.formats:
        if name not in names:
            parser.error(f"format '{name}' must be one of {', '.join(names)}")
    _print(*_HEAD)
    failed = 0
    for form in FORMATS:
        if not asked.formats or form.name in asked.formats:
            numbers = range(asked.first, asked.first + asked.count)
            outcome = _fuzzed(form, asked.seed, numbers, asked.jobs)
            _report(form, asked.seed, outcome, asked.keep)
            failed += len(outcome.failures)
    return int(failed > 0)


def _fuzzed(form: Format, seed: int, numbers: range, jobs: int) -> Outcome:
    """Return what became of all files, and print it."""
    start = time.perf_counter()
    shares = [numbers[i : i + _SHARE] for i in range(0, len(numbers), _SHARE)]
    whole = Outcome()
    with ProcessPoolExecutor(jobs) as pool:
        for outcome in pool.map(partial(_share, form.name, seed), shares):
            whole.add(outcome)
    _print(
        form.name,
        f"{len(numbers):,}",
        f"{whole.accepted:,}",
        f"{whole.refused:,}",
        f"{len(whole.failures):,}",
        f"{whole.slowest_ms:.0f} ms",
        f"{whole.peak_bytes / 2**20:.0f} MiB",
        f"{time.perf_counter() - start:.0f}",
    )
    return whole


def _share(name: str, seed: int, numbers: range) -> Outcome:
    form = _by_name(name)
    with TemporaryDirectory() as folder:
        return survive(form, seed, numbers, Path(folder))


def _by_name(name: str) -> Format:
    return next(form for form in FORMATS if form.name == name)


def _report(form: Format, seed: int, outcome: Outcome, keep: Path | None) -> None:
    """Print the failures, and keep the files."""
    for number, what in sorted(outcome.failures.items()):
        sys.stdout.write(f"  file {number} of seed {seed}: {what}\n")
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        for number, content in files_of(form, seed, (*outcome.failures, outcome.slowest)):
            path = keep / f"{form.name}-{seed}-{number}{form.suffix}"
            path.write_bytes(content)


def _print(name: str, *cells: str) -> None:
    sys.stdout.write(f"{name:<13}" + "".join(f"{cell:>13}" for cell in cells) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
