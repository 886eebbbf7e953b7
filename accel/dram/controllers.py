"""The controllers by name: each follows one simulator's queues and policies."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from accel.dram.controller import Controller
from accel.dram.dramsim3 import DramSim3Controller
from accel.dram.memory_spec import CONTROLLER_NAMES
from accel.dram.ramulator2 import Ramulator2Controller
from accel.dram.ramulator2_hbm3 import Hbm3Controller
from accel.dram.ramulator2_lpddr5 import Lpddr5Controller
from accel.dram.spec import DramSpec
from accel.dram.transfers import Transfers

#: Makes a controller: of which channel, for whose requests, and whether writes are posted.
ControllerFactory = Callable[[DramSpec, Transfers, bool], Controller]

CONTROLLERS: Mapping[str, ControllerFactory] = dict(
    zip(CONTROLLER_NAMES, (DramSim3Controller, Ramulator2Controller), strict=True)
)
#: Families of standards for which Ramulator has a controller of their own.
_OF_RAMULATOR2: Mapping[str, ControllerFactory] = {
    "LPDDR5": Lpddr5Controller,
    "HBM3": Hbm3Controller,
}


def controller_for(name: str, family: str) -> ControllerFactory:
    """Return what makes the controllers of a name for a family of standards, such as ``DDR4``."""
    if name == "ramulator2":
        return _OF_RAMULATOR2.get(family, Ramulator2Controller)
    return CONTROLLERS[name]
