"""Rooftile: how long a network takes on an accelerator, what limits it, and what would help.

>>> import rooftile
>>> result = rooftile.simulate("resnet18", "edge_32x32")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rooftile.comparison import compare
    from rooftile.simulation import Result, simulate
    from rooftile.sources import find_hardware, find_network
    from workloads.loaders.torch.module import from_module

__all__ = [
    "Result",
    "__version__",
    "compare",
    "find_hardware",
    "find_network",
    "from_module",
    "simulate",
]
__version__ = "0.1.0"

#: Public name to the module that is imported when it is first asked for, so that
#: ``rooftile --help`` is quick.
_HOMES = {
    "Result": "rooftile.simulation",
    "compare": "rooftile.comparison",
    "find_hardware": "rooftile.sources",
    "find_network": "rooftile.sources",
    "from_module": "workloads.loaders.torch.module",
    "simulate": "rooftile.simulation",
}


def __getattr__(name: str) -> Any:
    """Import what is public when it is first asked for."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'rooftile' has no attribute '{name}'")
