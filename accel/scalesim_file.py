"""Machines from SCALE-Sim's configuration files: an array, three SRAMs and an interface.

References
----------
.. [1] SCALE-Sim 3.0.0, scalesim/scale_config.py, https://github.com/scalesim-project/SCALE-Sim
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path

from accel.spec import (
    AcceleratorSpec,
    ArraySpec,
    DmaSpec,
    MemorySpec,
    ScratchpadSpec,
    VectorSpec,
)
from accel.systolic import DATAFLOWS
from accel.timing import TIMINGS
from foundation.errors import SpecError, nearest
from foundation.functions import FUNCTIONS
from foundation.names import plain_name
from foundation.text_file import read_text

#: Suffix of these files.
SUFFIX = ".cfg"
#: Keys of ``[architecture_presets]`` that every machine has.
_NEEDED = (
    *("ArrayHeight", "ArrayWidth", "Dataflow"),
    *("IfmapSramSzkB", "FilterSramSzkB", "OfmapSramSzkB"),
)
#: Keys that are read where they are given.
_OPTIONAL = ("run_name", "InterfaceBandwidth", "Bandwidth")
#: Keys that make SCALE-Sim simulate something else, with the only value that is known here.
_ONLY = {
    "MemoryBanks": "1",
    "IfmapCustomLayout": "false",
    "FilterCustomLayout": "false",
    "SparsitySupport": "false",
    "UseRamulatorTrace": "false",
}
#: Keys that mean nothing then: addresses, queues of its main memory, banks of layouts, sparsity.
_IGNORED = (
    *("IfmapOffset", "FilterOffset", "OfmapOffset", "TopologyCsvLoc"),
    *("ReadRequestBuffer", "WriteRequestBuffer"),
    *("IfmapSRAMBankBandwidth", "IfmapSRAMBankNum", "IfmapSRAMBankPort"),
    *("FilterSRAMBankBandwidth", "FilterSRAMBankNum", "FilterSRAMBankPort"),
    *("SparseRep", "OptimizedMapping", "BlockSize", "NonZeroElems", "RandomNumberGeneratorSeed"),
)
#: SCALE-Sim doesn't distinguish upper and lower case in keys.
_KNOWN = {key.lower(): key for key in (*_NEEDED, *_OPTIONAL, *_ONLY, *_IGNORED)}
#: SCALE-Sim counts cycles of no length; here they have one.
_CLOCK_HZ = 10**9
_KIB = 1024
#: So large that it never fills up.
_MAIN_MEMORY_BYTES = 1 << 50
_PSUM_BYTES = 4
_SETTING = re.compile(r"([^:=]+)[:=](.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settings:
    """What a file says: key to value, and to line."""

    name: str
    values: Mapping[str, str]
    lines: Mapping[str, int]

    def failure(self, key: str, message: str) -> SpecError:
        """Return the error that ``message`` is about a key."""
        return SpecError(f"{self.name}:{self.lines[key]}: {key} {message}")

    def integer(self, key: str, largest: int) -> int:
        """Return the whole number of a key, from 1 to ``largest``."""
        text = self.values[key]
        if not re.fullmatch("[0-9]{1,15}", text) or not 1 <= int(text) <= largest:
            raise self.failure(key, f"is '{text}' but must be a whole number from 1 to {largest}")
        return int(text)


def load_scalesim(path: Path) -> AcceleratorSpec:
    """Return the machine of a configuration file.

    Raises
    ------
    SpecError
        The file can't be read, or doesn't describe a machine: which line, and what to change.

    Notes
    -----
    Array and dataflow are SCALE-Sim's, with timing model ``scalesim``; its SRAMs are scratchpads
    of bytes, behind which the vector unit takes no time.
    """
    settings = _read(path)
    _check(settings)
    dataflow = settings.values["Dataflow"].upper()
    if dataflow not in DATAFLOWS:
        known = ", ".join(name.lower() for name in DATAFLOWS)
        raise settings.failure("Dataflow", f"is '{dataflow.lower()}' but must be one of {known}")
    words = _words_per_cycle(settings)
    return AcceleratorSpec(
        name=plain_name(settings.values.get("run_name", path.stem)),
        notes=f"From {path.name}, a configuration of SCALE-Sim; cycles are taken as 1 ns.",
        clock_hz=_CLOCK_HZ,
        array=ArraySpec(
            rows=settings.integer("ArrayHeight", 65536),
            columns=settings.integer("ArrayWidth", 65536),
            dataflow=dataflow,
            timing=TIMINGS["scalesim"],
            dtypes=("int8",),
        ),
        # SCALE-Sim has no vector unit: whatever isn't a product takes no time.
        vector=VectorSpec(
            lanes=1 << 20, startup_cycles=0, cycles_per_element=dict.fromkeys(FUNCTIONS, 1e-6)
        ),
        dma=DmaSpec(outstanding=64),
        scratchpads=_scratchpads(settings),
        # Approximation: SCALE-Sim gives each of its SRAMs an interface of its own; here what comes
        # in and what goes out share the activations' memory, which has twice the bandwidth.
        memories=(
            _memory("filter_dram", words, "parameters"),
            _memory("ifmap_ofmap_dram", 2 * words, "activations"),
        ),
    )


def _scratchpads(settings: _Settings) -> tuple[ScratchpadSpec, ...]:
    """Return the SRAMs; sums have one of their own, for as many words as fit the outputs'.

    Approximation: a word of SCALE-Sim is a byte, unfinished sums included. Ours have 4.
    """
    ifmap, filters, ofmap = (
        _KIB * settings.integer(f"{operand}SramSzkB", 1 << 40)
        for operand in ("Ifmap", "Filter", "Ofmap")
    )
    sizes = {"input": ifmap, "weight": filters, "output": ofmap, "psum": _PSUM_BYTES * ofmap}
    names = {"input": "ifmap", "weight": "filter", "output": "ofmap", "psum": "psum"}
    return tuple(
        ScratchpadSpec(
            name=names[operand],
            capacity_bytes=size,
            holds=(operand,),
            banks=1,
            bandwidth_bytes_per_cycle=inf,
        )
        for operand, size in sizes.items()
    )


def _memory(name: str, words_per_cycle: float, holds: str) -> MemorySpec:
    return MemorySpec(
        name=name,
        capacity_bytes=_MAIN_MEMORY_BYTES,
        bandwidth_bytes_per_s=words_per_cycle * _CLOCK_HZ,
        latency_fs=0,
        holds=(holds,),
    )


def _words_per_cycle(settings: _Settings) -> float:
    """Return what an interface moves: ``Bandwidth`` for USER, as much as is asked for for CALC."""
    mode = settings.values.get("InterfaceBandwidth", "CALC").upper()
    if mode not in ("CALC", "USER"):
        raise settings.failure("InterfaceBandwidth", f"is '{mode}' but must be CALC or USER")
    if mode == "CALC":
        return inf
    if "Bandwidth" not in settings.values:
        raise settings.failure("InterfaceBandwidth", "is USER, which needs 'Bandwidth'; add it")
    return settings.integer("Bandwidth", 10**6)


def _read(path: Path) -> _Settings:
    """Return the settings of a file: ``[section]`` lines, ``key: value`` or ``key = value``."""
    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    text = read_text(path, SpecError, "a configuration file of SCALE-Sim")
    for number, line in enumerate(text.splitlines(), start=1):
        content = re.split("[#;]", line, maxsplit=1)[0].strip()
        if not content or re.fullmatch(r"\[.*\]", content):
            continue
        found = _SETTING.fullmatch(content)
        if not found:
            raise SpecError(
                f"{path}:{number}: '{content}' must be [section], 'key: value' or 'key = value'"
            )
        name = found[1].strip()
        key = _KNOWN.get(name.lower())
        if key is None:
            hint = nearest(name, _KNOWN.values())
            raise SpecError(f"{path}:{number}: '{name}' isn't a key of SCALE-Sim{hint}")
        if key in values:
            raise SpecError(
                f"{path}:{number}: {key} is given twice (first on line {lines[key]}); remove one"
            )
        values[key], lines[key] = found[2].strip(), number
    return _Settings(name=str(path), values=values, lines=lines)


def _check(settings: _Settings) -> None:
    """Raise SpecError for what is missing, and for what isn't modelled."""
    for key in _NEEDED:
        if key not in settings.values:
            raise SpecError(f"{settings.name}: [architecture_presets] needs '{key}'; add it")
    for key, only in _ONLY.items():
        value = settings.values.get(key, only)
        if value.lower() != only:
            raise settings.failure(key, f"is {value} but only {only} is modelled")
