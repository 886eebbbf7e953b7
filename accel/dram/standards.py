"""DRAM standards: a channel's organisation and timings, and what controllers derive from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from accel.dram.address import AddressMap
from accel.dram.spec import DramSpec, DramTiming
from foundation.document import read
from foundation.errors import SpecError, nearest

_FOLDER = Path(__file__).with_name("standards")


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """What a channel is made of.

    Parameters
    ----------
    bus_width
        Bits of a data bus: of the channel, or of each of its pseudo-channels.
    burst_length, beats_per_clock
        Beats of a transaction, and how many are moved in a command clock.
    ranks, pseudochannels
        What shares the command bus; pseudo-channels have a data bus each.
    stacks
        Dies behind one rank (``sid``), each with its own banks.
    bank_groups, banks_per_group
        Of a rank and stack.
    rows, columns
        Of a bank; columns in beats.
    command_buses
        1, or 2: rows and columns apart.
    """

    bus_width: int
    burst_length: int
    bank_groups: int
    banks_per_group: int
    rows: int
    columns: int
    beats_per_clock: int = 2
    ranks: int = 1
    pseudochannels: int = 1
    stacks: int = 1
    command_buses: int = 1

    @property
    def transaction_bytes(self) -> int:
        """Bytes of a burst."""
        return self.bus_width // 8 * self.burst_length

    @property
    def row_bytes(self) -> int:
        """Bytes of a row of a bank."""
        return self.columns * self.bus_width // 8

    @property
    def banks(self) -> int:
        """Banks of the channel."""
        ranks = self.ranks * self.pseudochannels * self.stacks
        return ranks * self.bank_groups * self.banks_per_group

    @property
    def capacity_bytes(self) -> int:
        """Bytes of the channel."""
        return self.banks * self.rows * self.row_bytes

    def field_sizes(self, channels: int) -> dict[str, int]:
        """Return how many values each field of an address has, by `accel.dram.address.FIELDS`."""
        return {
            "ch": channels,
            "ra": self.ranks,
            "pc": self.pseudochannels,
            "sid": self.stacks,
            "bg": self.bank_groups,
            "ba": self.banks_per_group,
            "co": self.row_bytes // self.transaction_bytes,
            "ro": self.rows,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """A standard's table.

    Parameters
    ----------
    name, family
        Such as ``ddr4_2400`` and ``DDR4``.
    clock_hz
        Of the command clock.
    organisation
        Of a channel.
    timings
        JEDEC's name to command clocks.
    """

    name: str
    family: str
    clock_hz: int
    organisation: Organisation
    timings: Mapping[str, int]

    def channel(self, controller: str) -> DramSpec:
        """Return a channel under a controller of `accel.dram.controllers`."""
        organisation, timings = self.organisation, self.timings
        has_pseudochannels = organisation.pseudochannels > 1
        return DramSpec(
            timing=derived_timing(self, controller),
            ranks=organisation.pseudochannels if has_pseudochannels else organisation.ranks,
            bank_groups=organisation.bank_groups * organisation.stacks,
            banks_per_group=organisation.banks_per_group,
            has_pseudochannels=has_pseudochannels,
            has_two_command_buses=organisation.command_buses == 2,
            activate_window=timings.get("activate_window", 0),
            data_clock_runs_on=timings.get("data_clock_runs_on", 0),
        )


def derived_timing(standard: Standard, controller: str) -> DramTiming:
    """Return the clocks between commands as a controller derives them from a standard's table.

    Notes
    -----
    With burst B: a write's data ends CWL + B after it, and tWTR or tWR later a read or a precharge
    may follow. Where the bus changes its direction or its rank, tRTRS clocks stay empty; Ramulator
    leaves 2 between a read and a write of a rank.

    References
    ----------
    .. [1] DRAMsim3, src/configuration.cc and src/timing.cc.
    .. [2] Ramulator 2.1, the timing constraints of its DRAM standards.
    """
    t, organisation = standard.timings, standard.organisation
    burst = organisation.burst_length // organisation.beats_per_clock
    read, write, switch = t["CL"], t["CWL"], t["tRTRS"]
    is_dramsim3 = controller == "dramsim3"
    after_write = write + burst
    turn = read + burst - write
    other_rank = turn + switch if is_dramsim3 else burst + switch
    # Pseudo-channels share no data bus: they don't wait for each other.
    shares_bus = organisation.pseudochannels == 1
    return DramTiming(
        burst=burst,
        read_latency=read,
        write_latency=write,
        rcd_read=t["tRCD"],
        rcd_write=t.get("tRCDWR", t["tRCD"]),
        rp=t["tRP"],
        rp_all=t.get("tRPab", t["tRP"]),
        ras=t["tRAS"],
        rc=t["tRC"],
        rrd_s=t["tRRD_S"],
        rrd_l=t["tRRD_L"],
        faw=t["tFAW"],
        aw32=t.get("t32AW", 0),
        ccd_s=t["tCCD_S"],
        ccd_l=t["tCCD_L"],
        ccd_s_write=t.get("tCCD_S_WR", t["tCCD_S"]),
        ccd_l_write=t.get("tCCD_L_WR", t["tCCD_L"]),
        rtp=t["tRTP"],
        write_to_precharge=after_write + t["tWR"],
        ppd=t.get("tPPD", 0),
        read_to_write=turn + switch if is_dramsim3 else t.get("tRTW", turn + 2),
        write_to_read_s=after_write + t["tWTR_S"],
        write_to_read_l=after_write + t["tWTR_L"],
        read_to_read_other=burst + switch if shares_bus else 0,
        read_to_write_other=other_rank if shares_bus else 0,
        write_to_read_other=after_write + switch - read if shares_bus else 0,
        write_to_write_other=burst if shares_bus else 0,
        rfc=t["tRFC"],
        refi=t["tREFI"],
        activate_slots=1 if is_dramsim3 else t.get("activate_slots", 1),
        column_slots=1 if is_dramsim3 else t.get("column_slots", 1),
    )


def interleaved_map(sizes: Mapping[str, int]) -> AddressMap:
    """Return the map for streams: neighbours lie in other channels, buses and bank groups.

    So a stream has every data bus at once, and tCCD_S between its column commands instead of
    tCCD_L; it stays in its rows as long as it can, and then goes on to other banks.
    """
    order = ("ch", "pc", "bg", "co", "ba", "sid", "ra", "ro")
    return AddressMap(fields=tuple((name, sizes[name].bit_length() - 1) for name in order))


def standard_names() -> list[str]:
    """Return the names of the standards that come with Rooftile, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def load_standard(name: str) -> Standard:
    """Return a standard.

    Raises
    ------
    SpecError
        No standard has this name.
    """
    known = standard_names()
    if name not in known:
        raise SpecError(f"must be one of {', '.join(known)} but is '{name}'{nearest(name, known)}")
    return read_standard(_FOLDER / f"{name}.yaml")


def read_standard(path: Path) -> Standard:
    """Return the standard in a YAML file.

    Raises
    ------
    SpecError
        The file can't be read, or isn't a standard: which line, and what to change.
    """
    from accel.dram.standard_models import StandardFile

    return read(path, SpecError).validate(StandardFile).standard(path.stem)
