"""What the loader needs to know of a family of networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from workloads.loaders.huggingface.network import NetworkBuilder
from workloads.loaders.huggingface.run import Reads, Run
from workloads.loaders.huggingface.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One ``model_type``.

    Parameters
    ----------
    settings
        The keys of its configuration.
    reads
        What flows through it.
    heads
        Class of ``transformers`` to what it puts on top, by a name of the family's own; the first
        is built where a configuration has no ``architectures``.
    build
        Adds the network of settings, for a run, with a head.
    mixes_lengths
        Whether it can be built for a batch of mixed lengths.
    """

    settings: type[Settings]
    reads: Reads
    heads: Mapping[str, str]
    build: Callable[[NetworkBuilder, Any, Run, str], None]
    mixes_lengths: bool = False
