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
    from workloads.loaders.torch.module import from_module

__all__ = ["Result", "__version__", "compare", "from_module", "simulate"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import the simulator when it is first asked for, so that ``rooftile --help`` is quick."""
    if name in ("Result", "simulate"):
        return getattr(import_module("rooftile.simulation"), name)
    if name == "compare":
        return import_module("rooftile.comparison").compare
    if name == "from_module":
        return import_module("workloads.loaders.torch.module").from_module
    raise AttributeError(f"module 'rooftile' has no attribute '{name}'")
