"""What is in a `.pt2` file: a zip of JSON, and of arrays as they lie in memory.

Nothing is unpickled. Of arrays only small ones that aren't parameters are read: masks, indices,
tables of positions.

References
----------
.. [1] PyTorch, torch/export/pt2_archive/constants.py, https://github.com/pytorch/pytorch
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from lzma import LZMAError
from pathlib import Path
from typing import Any

import numpy as np

from foundation.errors import WorkloadError
from foundation.numerics import Array

#: The largest JSON that is read; the graph of a network of some thousand layers has 20 MB.
MOST_BYTES = 1 << 28
#: The most elements of an array that are read: floating point may be tables, all else is masks.
_MOST_NUMBERS, _MOST_INTEGERS = 1 << 12, 1 << 22
#: Bit of a zip entry's flags (PKWARE's APPNOTE, 4.4.4).
_ENCRYPTED = 1
#: NumPy's types of PyTorch's, by its numbers (c10/core/ScalarType.h); bfloat16 has none.
TYPES: Mapping[int, str] = {
    **{1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32"},
    **{8: "float64", 12: "bool", 28: "uint16", 34: "uint32", 35: "uint64"},
}
#: Floating-point types to ours; double is taken as fp32, eight bits as bf16.
FLOATS = {6: "fp16", 7: "fp32", 8: "fp32", 13: "bf16", **dict.fromkeys(range(29, 34), "bf16")}


class Archive:
    """A `.pt2` file.

    Parameters
    ----------
    file
        It, opened.

    Raises
    ------
    WorkloadError
        It holds no exported program.
    """

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file
        self._names = {name.partition("/")[2]: name for name in file.namelist()}
        self._names.update({name: name for name in file.namelist() if "/" not in name})
        programs = [n for n in self._names if n.startswith("models/") and n.endswith(".json")]
        single = "serialized_exported_program.json"  # written before PyTorch 2.7
        if len(programs) > 1:
            raise WorkloadError(
                f"holds {len(programs)} programs ({', '.join(sorted(programs))}) but only one is"
                " read; save one at a time with torch.export.save"
            )
        if not programs and single not in self._names:
            compiled = any(name.endswith((".so", ".cpp")) for name in self._names)
            what = "a compiled model" if compiled else "no exported program"
            raise WorkloadError(f"holds {what}; save the network with torch.export.save")
        self.program = self.read_json(programs[0] if programs else single)
        model = Path(programs[0]).stem if programs else ""
        self.payloads: dict[str, tuple[str, Any]] = {}
        for kind in ("weights", "constants"):
            name = f"data/{kind}/{model}_{kind}_config.json"
            found = self.read_json(name).get("config", {}) if name in self._names else {}
            for key, payload in found.items():
                self.payloads[key] = (f"data/{kind}/{payload['path_name']}", payload)

    def read_json(self, name: str) -> dict[str, Any]:
        """Return an entry of JSON.

        Raises
        ------
        WorkloadError
            It is too large, or isn't JSON.
        """
        info = self._file.getinfo(self._names[name])
        if info.file_size > MOST_BYTES:
            raise WorkloadError(
                f"'{name}' has {info.file_size} bytes but at most {MOST_BYTES} are read"
            )
        text = self._read(info, MOST_BYTES)
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise WorkloadError(f"'{name}' isn't JSON: {error}") from None
        if not isinstance(found, dict):
            raise WorkloadError(f"'{name}' must be an object of JSON but is {str(found)[:40]}")
        return found

    def _read(self, info: zipfile.ZipInfo, most: int) -> bytes:
        """Return an entry of at most so many bytes, whatever its header says of them."""
        if info.flag_bits & _ENCRYPTED:
            raise WorkloadError(f"'{info.filename}' is encrypted; save the network without that")
        try:
            with self._file.open(info) as entry:
                data = entry.read(most + 1)
        except MemoryError:  # LZMA's header says how large a dictionary it wants
            raise WorkloadError(
                f"'{info.filename}' can't be unpacked in the memory that there is"
            ) from None
        if len(data) > most:
            raise WorkloadError(f"'{info.filename}' has more than the {most} bytes that are read")
        return data

    def origin(self, name: str) -> str:
        """Return the first name of an array that is stored under several: a tied weight's."""
        if name not in self.payloads:
            return name
        place = self.payloads[name][0]
        return next(other for other, (where, _) in self.payloads.items() if where == place)

    def array(self, name: str) -> Array | None:
        """Return a stored array that is no parameter, or None where it is large or isn't there."""
        place, payload = self.payloads.get(name, ("", {}))
        meta = payload.get("tensor_meta")
        if place not in self._names or payload.get("use_pickle") or meta is None:
            return None
        kind = TYPES.get(meta["dtype"])
        shape = [size.get("as_int", 0) for size in meta["sizes"]]
        strides = [stride.get("as_int", 0) for stride in meta["strides"]]
        most = _MOST_NUMBERS if meta["dtype"] in FLOATS else _MOST_INTEGERS
        count = int(np.prod(shape, dtype=object))
        info = self._file.getinfo(self._names[place])
        if kind is None or not 0 < count <= most or info.file_size > 16 * most:
            return None
        data = np.frombuffer(self._read(info, 16 * most), kind)[
            meta["storage_offset"].get("as_int", 0) :
        ]
        span = sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True)) + 1
        if min(strides, default=0) < 0 or span > len(data):
            return None
        steps = [stride * data.itemsize for stride in strides]
        return np.lib.stride_tricks.as_strided(data, shape, steps).copy()


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """Open a file, and put its name before the message of an error.

    Raises
    ------
    WorkloadError
        It can't be read as a `.pt2` file.
    """
    if not path.is_file():
        raise WorkloadError(f"{path}: {'is a folder' if path.is_dir() else 'no such file'}")
    unreadable = (zipfile.BadZipFile, zlib.error, LZMAError, NotImplementedError, OSError, EOFError)
    try:
        with zipfile.ZipFile(path) as file:
            yield Archive(file)
    except unreadable as error:
        raise WorkloadError(
            f"{path}: isn't a whole zip as torch.export.save writes it: {error}"
        ) from None
    except WorkloadError as error:
        raise WorkloadError(f"{path}: {error}") from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise WorkloadError(
            f"{path}: its JSON isn't what torch.export.save writes"
            f" ({type(error).__name__}: {error})"
        ) from None
