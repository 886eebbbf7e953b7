"""The errors a user can meet: each names the thing, the rule with both numbers, and a way out."""

from collections.abc import Iterable

_LONGEST_MESSAGE = 1500


class RooftileError(ValueError):
    """A mistake in what the user gave. The command line prints it and exits with status 2.

    What it quotes from a file may be of any length: of a long message the middle is left out.
    """

    def __init__(self, message: str) -> None:
        half = _LONGEST_MESSAGE // 2
        is_long = len(message) > _LONGEST_MESSAGE
        super().__init__(f"{message[:half]} … {message[-half:]}" if is_long else message)


class SpecError(RooftileError):
    """A hardware description that can't be built."""


class WorkloadError(RooftileError):
    """A network that can't be built."""


class MappingError(RooftileError):
    """A layer that can't be mapped onto a machine."""


class AssemblyError(RooftileError):
    """A program text or binary that can't be read.

    Parameters
    ----------
    message
        What is wrong.
    line
        1-based line of the text, or None for a binary.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message if line is None else f"line {line}: {message}")
        self.line = line


class PriceError(RooftileError):
    """Prices from which no cost can be computed."""


class OutputError(RooftileError):
    """A result that can't be written where the user asked."""


class SweepError(RooftileError):
    """A sweep that can't be made, or results that can't be read."""


class SimulationError(RooftileError):
    """A program that breaks a rule of the machine while it runs.

    Parameters
    ----------
    message
        What is wrong.
    unit
        The queue or unit in which it happened.
    time
        When, with its unit (``"1200 cycles"``); ``"instruction 3"`` where time isn't modelled.
    """

    def __init__(self, message: str, *, unit: str, time: str) -> None:
        super().__init__(f"{unit}, at {time}: {message}")
        self.unit = unit
        self.time = time


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest known name, or an empty string."""
    import difflib

    names = sorted(known)
    matches = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"; did you mean '{matches[0]}'?" if matches else ""
