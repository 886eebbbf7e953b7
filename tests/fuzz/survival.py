"""Load mutated files under limits of time and memory, and count what comes out."""

from __future__ import annotations

import random
import resource
import signal
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from tests.fuzz.formats import REFUSALS, Format
from tests.fuzz.mutator import mutated

#: Processor time that one file may take.
LIMIT_S = 10
#: What one file may take beyond what the process has when it starts.
LIMIT_BYTES = 1 << 30


class TookTooLongError(BaseException):
    """No ``except Exception`` holds it back."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of some files.

    Parameters
    ----------
    accepted, refused
        How many were loaded, and how many raised one of our errors.
    failures
        Number of each file from which something else came, and what.
    slowest_ms, slowest
        Processor time of the slowest file, and its number.
    peak_bytes
        Most memory that the process had.
    """

    accepted: int = 0
    refused: int = 0
    failures: dict[int, str] = field(default_factory=dict)
    slowest_ms: float = 0.0
    slowest: int = 0
    peak_bytes: int = 0

    def add(self, other: Outcome) -> None:
        """Add what became of other files."""
        self.accepted += other.accepted
        self.refused += other.refused
        self.failures.update(other.failures)
        if other.slowest_ms > self.slowest_ms:
            self.slowest_ms, self.slowest = other.slowest_ms, other.slowest
        self.peak_bytes = max(self.peak_bytes, other.peak_bytes)


def files_of(form: Format, seed: int, numbers: Iterable[int]) -> Iterator[tuple[int, bytes]]:
    """Yield numbers and mutated files; a file depends on format, seed and number alone."""
    victims = form.victims()
    others = [*victims, *form.spares()]
    for number in numbers:
        generator = random.Random(f"{form.name} {seed} {number}")
        yield number, mutated(generator.choice(victims), others, generator)


def survive(form: Format, seed: int, numbers: Iterable[int], folder: Path) -> Outcome:
    """Load the files of some numbers, and return what became of them."""
    path = folder / f"mutated{form.suffix}"
    outcome = Outcome()
    with little_memory():
        for number, content in files_of(form, seed, numbers):
            path.write_bytes(content)
            start = time.process_time()
            _load(form, path, number, outcome)
            took_ms = 1000 * (time.process_time() - start)
            if took_ms > outcome.slowest_ms:
                outcome.slowest_ms, outcome.slowest = took_ms, number
    outcome.peak_bytes = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return outcome


def _load(form: Format, path: Path, number: int, outcome: Outcome) -> None:
    try:
        with timed():
            form.load(path, number)
        outcome.accepted += 1
    except REFUSALS:
        outcome.refused += 1
    except (Exception, TookTooLongError) as error:  # what is looked for
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(last.filename).name}:{last.lineno}"
        outcome.failures[number] = f"{type(error).__name__} at {place}: {str(error)[:200]}"


@contextmanager
def timed() -> Iterator[None]:
    """Raise TookTooLongError where what is inside takes more processor time than it may."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TookTooLongError(f"took more than {LIMIT_S} s of processor time")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@contextmanager
def little_memory() -> Iterator[None]:
    """Limit what this process's memory may grow by."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    now_bytes = pages * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now_bytes + LIMIT_BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
