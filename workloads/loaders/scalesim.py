"""Networks from SCALE-Sim's topology files: a convolution or a GEMM a line, each on its own.

References
----------
.. [1] SCALE-Sim 3.0.0, scalesim/topology_utils.py, https://github.com/scalesim-project/SCALE-Sim
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from foundation.dtype import DTYPES
from foundation.errors import WorkloadError
from foundation.names import Names, plain_name
from foundation.text_file import read_text
from workloads.build import GraphBuilder
from workloads.graph import Graph
from workloads.layers import Convolution, Linear, Window
from workloads.loaders.asked import Asked

_CONVOLUTION = (
    *("Layer name", "IFMAP Height", "IFMAP Width", "Filter Height", "Filter Width"),
    *("Channels", "Num Filter", "Strides"),
)
_GEMM = ("Layer", "M", "N", "K")
#: What SCALE-Sim's own writer has behind ``Num Filter``.
_TWO_STRIDES = (*_CONVOLUTION[:-1], "Stride height", "Stride width")
_SIZE = re.compile("0*[1-9][0-9]{0,8}")
_DENSE = "1:1"
#: A layer with this in its name is depthwise.
_DEPTHWISE = "DP"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A line of the file.

    Parameters
    ----------
    where
        File and line.
    name
        The layer's.
    sizes
        Column to whole number.
    """

    where: str
    name: str
    sizes: dict[str, int]

    def failure(self, message: str) -> WorkloadError:
        """Return the error that ``message`` is about this layer."""
        return WorkloadError(f"{self.where}: layer '{self.name}': {message}")


def load(path: Path, asked: Asked) -> Graph:
    """Return the layers of a topology file as a network of independent layers.

    Parameters
    ----------
    path
        The file: ``Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels,
        Num Filter, Strides`` for convolutions, ``Layer, M, N, K`` for products.
    asked
        Batch and dtype.

    Raises
    ------
    WorkloadError
        The file can't be read, or isn't such a file: which line, and what to change.
    """
    asked.check_fixed(str(path))
    columns, rows = _rows(path)
    batch = asked.batch or 1
    dtype = DTYPES[asked.dtype or "int8"]
    builder = GraphBuilder(plain_name(path.stem), batch)
    names = Names()
    for row in rows:
        name = names.unique(row.name)
        sizes = row.sizes
        operator: Linear | Convolution
        if columns == _GEMM:
            shape: tuple[int, ...] = (batch, sizes["M"], sizes["K"])
            operator = Linear(out_features=sizes["N"], bias=False)
        else:
            shape = (batch, sizes["IFMAP Height"], sizes["IFMAP Width"], sizes["Channels"])
            operator = _convolution(row)
        builder.add_layer(name, operator, [builder.add_input(f"{name}.input", shape, dtype)])
    return builder.build()


def _convolution(row: _Row) -> Convolution:
    """Return a layer's convolution; SCALE-Sim rounds its positions up, with padding behind."""
    sizes = row.sizes
    windows = []
    for axis in ("Height", "Width"):
        size, kernel = sizes[f"IFMAP {axis}"], sizes[f"Filter {axis}"]
        stride = sizes.get("Strides") or sizes[f"Stride {axis.lower()}"]
        if kernel > size:
            raise row.failure(
                f"Filter {axis} is {kernel} but IFMAP {axis} is {size}; SCALE-Sim's IFMAP sizes"
                " include padding"
            )
        windows.append(Window(kernel, stride=stride, pad_after=-(size - kernel) % stride))
    groups = sizes["Channels"] if _DEPTHWISE in row.name else 1
    return Convolution(
        out_channels=groups * sizes["Num Filter"], windows=tuple(windows), groups=groups
    )


def _rows(path: Path) -> tuple[tuple[str, ...], list[_Row]]:
    """Return the names of the columns and the lines behind them."""
    lines = read_text(path, WorkloadError, "a topology file of SCALE-Sim").splitlines()
    numbered = [(number, _cells(line)) for number, line in enumerate(lines, start=1)]
    filled = [(number, cells) for number, cells in numbered if cells]
    if not filled:
        raise WorkloadError(f"{path}:1: the file is empty")
    (number, header), *rest = filled
    columns = _columns(header, f"{path}:{number}")
    if not rest:
        raise WorkloadError(f"{path}:{number}: no layers follow the header")
    return columns, [_row(cells, columns, f"{path}:{number}") for number, cells in rest]


def _cells(line: str) -> list[str]:
    """Return what stands between commas, without what is empty or a comment at the end."""
    cells = [cell.strip() for cell in line.partition("#")[0].split(",")]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _columns(header: list[str], where: str) -> tuple[str, ...]:
    """Return the columns that a header names; a column of sparsity may follow them."""
    given = [cell.lower() for cell in header]
    for columns in (_TWO_STRIDES, _CONVOLUTION, _GEMM):
        if given[1 : len(columns)] == [column.lower() for column in columns[1:]]:
            return columns
    raise WorkloadError(
        f"{where}: the header is '{', '.join(header)}' but must be '{', '.join(_CONVOLUTION)}' or"
        f" '{', '.join(_GEMM)}'"
    )


def _row(cells: list[str], columns: tuple[str, ...], where: str) -> _Row:
    name, *values = cells
    if not name:
        raise WorkloadError(f"{where}: the layer has no name; add one")
    row = _Row(where=where, name=name, sizes={})
    sizes, rest = values[: len(columns) - 1], values[len(columns) - 1 :]
    if len(sizes) < len(columns) - 1 or len(rest) > 1:
        raise row.failure(
            f"has {len(cells)} columns but must have {len(columns)}: {', '.join(columns)}"
        )
    for column, text in zip(columns[1:], sizes, strict=True):
        if not _SIZE.fullmatch(text):
            raise row.failure(
                f"{column} is '{text}' but must be a whole number from 1 to 999999999"
            )
        row.sizes[column] = int(text)
    if rest and rest[0] != _DENSE:
        raise row.failure(
            f"sparsity is {rest[0]} but every weight is computed; write {_DENSE} or leave it out"
        )
    return row
