"""The technology that a machine names: what its energies and areas are derived from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TechnologySpec:
    """A technology node, and what else the tables need to know.

    Parameters
    ----------
    node_nm
        Its name in nanometres.
    voltage
        Supply voltage in volts. None: that of the tables at the node that they were published for,
        and the node's nominal voltage elsewhere.
    dram
        Pairs of a main memory's name and its kind (`accel.technology.tables.dram_kinds`).
    link_mm
        Length of a link of the network on the chip, in millimetres.
    """

    node_nm: float
    voltage: float | None = None
    dram: tuple[tuple[str, str], ...] = ()
    link_mm: float | None = None
