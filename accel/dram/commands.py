"""DRAM commands by number, and tables of what has to wait for what.

A standard's rules are rows of (level, preceding command, following command, clocks): after the
preceding command the following one has to wait so long in the same bank, bank group, rank or
channel, or in the other ranks.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass

ACTIVATE, PRECHARGE, READ, WRITE, READ_PRECHARGE, WRITE_PRECHARGE, PRECHARGE_ALL, REFRESH = range(8)
COMMANDS = 8
#: Commands that move data.
COLUMN_COMMANDS = (READ, WRITE, READ_PRECHARGE, WRITE_PRECHARGE)
#: Commands of the row bus, where a standard has one for rows and one for columns.
ROW_COMMANDS = (ACTIVATE, PRECHARGE, PRECHARGE_ALL, REFRESH)
#: No command, request or transfer; the end of a list.
NONE = -1
#: The row of a bank without an open one.
CLOSED = -1
#: Clocks that no command has to wait for, and that never come.
EVER, NEVER = -(1 << 60), 1 << 60

BANK, GROUP, RANK, CHANNEL, OTHER_RANKS = range(5)
LEVELS = 5


def command_set(commands: Iterable[int]) -> int:
    """Return commands as bits of a number."""
    return sum(1 << command for command in commands)


@dataclass(frozen=True, slots=True)
class Constraint:
    """A row of a standard's table; the commands are several of each kind."""

    level: int
    preceding: tuple[int, ...]
    following: tuple[int, ...]
    clocks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DelayTable:
    """Constraints by level and preceding command: the longest delay of each following command.

    Parameters
    ----------
    first
        Entries of (level, command) are those from ``first[level * COMMANDS + command]`` up to the
        next number's.
    following, clocks
        Of each entry.
    """

    first: array[int]
    following: array[int]
    clocks: array[int]


def delay_table(constraints: Iterable[Constraint]) -> DelayTable:
    """Return constraints as a table."""
    longest: list[dict[int, int]] = [{} for _ in range(LEVELS * COMMANDS)]
    for constraint in constraints:
        for command in constraint.preceding:
            delays = longest[constraint.level * COMMANDS + command]
            for following in constraint.following:
                known = delays.get(following, constraint.clocks)
                delays[following] = max(known, constraint.clocks)
    first, total = array("q", [0]), 0
    for delays in longest:
        total += len(delays)
        first.append(total)
    return DelayTable(
        first=first,
        following=array("q", [command for delays in longest for command in delays]),
        clocks=array("q", [clocks for delays in longest for clocks in delays.values()]),
    )
