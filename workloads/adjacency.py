"""Adjacencies of graphs, in compressed sparse rows: drawn from degrees, or read from a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from foundation.errors import WorkloadError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]
    Reals = NDArray[np.float64]

#: Nodes and edges of all copies of a graph at most, and bytes of a file of edges.
MAX_NODES = 1_000_000
MAX_EDGES = 5_000_000
MAX_FILE_BYTES = 200_000_000
#: Numbers of nodes in a file are cut here: above any that there can be.
MAX_NODE = 2**62


class Csr(NamedTuple):
    """A matrix in compressed sparse rows: row r has ``columns[starts[r]:starts[r + 1]]``."""

    starts: Integers
    columns: Integers
    values: Reals

    @property
    def degrees(self) -> Integers:
        """Entries of each row."""
        return self.starts[1:] - self.starts[:-1]


class Part(NamedTuple):
    """Rows of a matrix with at most ``width`` entries each, filled up with zeros."""

    width: int
    rows: Integers
    columns: Integers
    values: Reals


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjacency:
    """Who is whose neighbour, and with which weight.

    Parameters
    ----------
    nodes
        Of all copies of the graph.
    copies
        Equal graphs one after the other without an edge between them: a batch.
    edges, exponent, seed
        Of a graph that is drawn: directed edges of a copy, dealt out to nodes in proportion to
        ``rank**-exponent`` (0: evenly), whose ranks and neighbours are drawn with the seed.
    file, digest
        Of one that is read: its path, and the SHA-256 of its bytes.
    weights
        ``symmetric``: an entry over the roots of the sums of its row and of its column's row;
        ``mean``: over the sum of its row; ``sum``: as it is, 1 where nothing else is given.
    self_loops
        Whether every node is its own neighbour, too, with weight 1 before all that.

    References
    ----------
    .. [1] T. Kipf and M. Welling, "Semi-Supervised Classification with Graph Convolutional
       Networks", ICLR 2017, equation 2.
    .. [2] M. Kreutzer et al., "A Unified Sparse Matrix Data Format for Efficient General Sparse
       Matrix-Vector Multiplication on Modern Processors with Wide SIMD Units", SIAM J. Sci.
       Comput. 36(5), 2014: rows of like length are filled up together.
    """

    nodes: int
    copies: int = 1
    edges: int = 0
    exponent: float = 0.0
    seed: int = 0
    file: str | None = None
    digest: str | None = None
    weights: str = "symmetric"
    self_loops: bool = True

    def check(self) -> None:
        """Raise WorkloadError for what can't be, and for a file that can't be read."""
        if self.copies < 1 or self.nodes % self.copies:
            raise WorkloadError(
                f"{self.nodes} nodes don't divide into {self.copies} copies; correct 'copies'"
            )
        if self.nodes > MAX_NODES:
            raise WorkloadError(
                f"has {self.nodes} nodes{self._copies} but at most {MAX_NODES} are possible"
            )
        most = min(self.each * (self.each - 1), MAX_EDGES // self.copies)
        if self.file is None and not 0 <= self.edges <= most:
            raise WorkloadError(
                f"edges are {self.edges} but must lie in 0..{most}, of {self.each} nodes"
                f"{self._copies}"
            )
        if self.exponent < 0 or self.seed < 0:
            raise WorkloadError(
                f"exponent and seed are {self.exponent:g} and {self.seed} but must be at least 0"
            )
        _ = self.matrix

    @property
    def _copies(self) -> str:
        return f" in {self.copies} copies" if self.copies > 1 else ""

    @property
    def each(self) -> int:
        """Nodes of one copy."""
        return self.nodes // self.copies

    @property
    def matrix(self) -> Csr:
        """The matrix with its weights."""
        return _matrix(self)

    @property
    def parts(self) -> Mapping[int, Part]:
        """Width to the rows that are filled up to it: powers of two, the widest first."""
        return _parts(self)

    @property
    def padded(self) -> int:
        """Entries, those that fill rows up included."""
        return sum(part.columns.size for part in self.parts.values())

    def places(self) -> Integers:
        """Return of each node its row in the parts, one after the other."""
        import numpy as np

        order = np.concatenate([part.rows for part in self.parts.values()])
        result: Integers = np.argsort(order)
        return result


@lru_cache(maxsize=16)
def _matrix(adjacency: Adjacency) -> Csr:
    import numpy as np

    rows, columns, values = (
        _drawn(adjacency) if adjacency.file is None else _read(adjacency, Path(adjacency.file))
    )
    first = np.repeat(np.arange(adjacency.copies) * adjacency.each, len(rows))
    rows = np.tile(rows, adjacency.copies) + first
    columns = np.tile(columns, adjacency.copies) + first
    values, nodes = np.tile(values, adjacency.copies), adjacency.nodes
    if adjacency.self_loops:
        every = np.arange(nodes)
        rows, columns = np.concatenate([rows, every]), np.concatenate([columns, every])
        values = np.concatenate([values, np.ones(nodes)])
    order = np.lexsort((columns, rows))
    rows, columns, values = rows[order], columns[order], values[order]
    sums = np.bincount(rows, weights=values, minlength=nodes)
    scale = np.where(sums > 0, sums, 1.0)
    if adjacency.weights == "symmetric":
        values = values / np.sqrt(scale[rows] * scale[columns])
    elif adjacency.weights == "mean":
        values = values / scale[rows]
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=nodes))])
    return Csr(starts, columns, values)


@lru_cache(maxsize=16)
def _parts(adjacency: Adjacency) -> dict[int, Part]:
    import numpy as np

    starts, columns, values = adjacency.matrix
    degrees = adjacency.matrix.degrees
    widths = 1 << np.ceil(np.log2(np.maximum(degrees, 1))).astype(np.int64)
    found = {}
    for width in sorted(set(widths.tolist()), reverse=True):
        rows = np.flatnonzero(widths == width)
        entries = starts[rows, np.newaxis] + np.arange(width)
        is_there = np.arange(width) < degrees[rows, np.newaxis]
        entries = np.where(is_there, entries, 0)
        if not columns.size:
            nothing = np.zeros(entries.shape, dtype=np.int64)
            found[width] = Part(width, rows, nothing, nothing.astype(np.float64))
            continue
        found[width] = Part(
            width,
            rows,
            np.where(is_there, columns[entries], 0),
            np.where(is_there, values[entries], 0.0),
        )
    return found


def _drawn(adjacency: Adjacency) -> tuple[Integers, Integers, Reals]:
    """Return rows, columns and values of a graph of given degrees."""
    import numpy as np

    nodes, edges = adjacency.each, adjacency.edges
    generator = np.random.default_rng(adjacency.seed)
    degrees = generator.permutation(_degrees(nodes, edges, adjacency.exponent))
    columns = (
        [
            # Of the others: a number from this node's on means the next node.
            drawn + (drawn >= node)
            for node, degree in enumerate(degrees.tolist())
            for drawn in [generator.choice(nodes - 1, size=degree, replace=False, shuffle=False)]
            if degree
        ]
        if edges
        else []
    )
    rows = np.repeat(np.arange(nodes), degrees)
    joined = np.concatenate(columns) if columns else np.zeros(0, dtype=np.int64)
    return rows, joined, np.ones(edges)


def _degrees(nodes: int, edges: int, exponent: float) -> Integers:
    """Return degrees in proportion to ``rank**-exponent``, at most one for each other node."""
    import numpy as np

    ranks = np.arange(1, nodes + 1, dtype=np.float64)
    degrees = np.zeros(nodes, dtype=np.int64)
    while (left := edges - int(degrees.sum())) > 0:
        is_open = degrees < nodes - 1
        # By the first rank that is left: of a large exponent all others may be 0.
        first = ranks[is_open.argmax()]
        wanted = np.where(is_open, (np.maximum(ranks, first) / first) ** -exponent, 0.0)
        # Rounded sums, so that what is rounded off goes to neighbours in rank.
        sums = np.rint(left * np.cumsum(wanted) / wanted.sum()).astype(np.int64)
        degrees = np.minimum(degrees + np.diff(sums, prepend=0), nodes - 1)
    return degrees


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes.

    Raises
    ------
    WorkloadError
        It can't be read, or is too large.
    """
    try:
        if not path.is_file():
            raise WorkloadError(f"{path}: no such file")
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise WorkloadError(f"{path}: has {size} bytes but at most {MAX_FILE_BYTES} are read")
        return sha256(path.read_bytes()).hexdigest()
    except OSError as problem:
        raise WorkloadError(f"{path}: can't be read: {problem.strerror}") from None


def _read(adjacency: Adjacency, path: Path) -> tuple[Integers, Integers, Reals]:
    """Return rows, columns and values of a file."""
    if file_digest(path) != adjacency.digest:
        raise WorkloadError(f"{path}: has changed since the network was read; read it again")
    rows, columns, values = _archive(path) if path.suffix == ".npz" else _edge_list(path)
    most = MAX_EDGES // adjacency.copies
    if len(rows) > most:
        raise WorkloadError(
            f"{path}: has {len(rows)} edges but at most {most} are possible{adjacency._copies}"
        )
    for name, ends in (("rows", rows), ("columns", columns)):
        if len(ends) and not 0 <= ends.min() <= ends.max() < adjacency.each:
            raise WorkloadError(
                f"{path}: {name} are numbered {ends.min()}..{ends.max()} but must lie in"
                f" 0..{adjacency.each - 1}, the nodes"
            )
    if (values < 0).any():
        raise WorkloadError(f"{path}: an edge's value is {values.min():g} but must be at least 0")
    return rows, columns, values


def _edge_list(path: Path) -> tuple[Integers, Integers, Reals]:
    """Return the edges of a text file: row and column in each line, and a value if there is one."""
    import numpy as np

    from foundation.text_file import read_text

    rows, columns, values = [], [], []
    text = read_text(path, WorkloadError, "a list of edges", most_bytes=MAX_FILE_BYTES)
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.partition("#")[0].replace(",", " ").split()
        if not fields:
            continue
        try:
            row, column = (min(int(one), MAX_NODE) for one in fields[:2])
            value = float(fields[2]) if len(fields) > 2 else 1.0
        except ValueError:
            fields = fields[:0]
        if not 2 <= len(fields) <= 3 or not np.isfinite(value):
            raise WorkloadError(
                f"{path}:{number}: an edge is two whole numbers, row and column, and a finite value"
                " if any"
            )
        rows.append(row)
        columns.append(column)
        values.append(value)
    return np.array(rows, np.int64), np.array(columns, np.int64), np.array(values, np.float64)


def _archive(path: Path) -> tuple[Integers, Integers, Reals]:
    """Return the edges of a NumPy archive: ``indptr`` and ``indices`` of CSR, ``data`` if any."""
    import zipfile
    import zlib

    import numpy as np

    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(one.file_size for one in archive.infolist())
        arrays: dict[str, Any] = {}
        if size <= MAX_FILE_BYTES:
            with np.load(path, allow_pickle=False) as found:
                arrays = {name: found[name] for name in found.files}
    except (OSError, ValueError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as problem:
        raise WorkloadError(f"{path}: isn't an archive of plain arrays: {problem}") from None
    if size > MAX_FILE_BYTES:
        raise WorkloadError(f"{path}: holds {size} bytes but at most {MAX_FILE_BYTES} are read")
    if "format" in arrays and arrays["format"].tolist() not in (b"csr", "csr"):
        raise WorkloadError(
            f"{path}: is a matrix in another format than CSR; convert it with tocsr()"
        )
    for name in ("indptr", "indices"):
        one = arrays.get(name)
        if one is None or one.ndim != 1 or one.dtype.kind not in "iu":
            raise WorkloadError(
                f"{path}: needs whole numbers '{name}' of one axis, as CSR has them"
            )
    starts, columns = arrays["indptr"].astype(np.int64), arrays["indices"].astype(np.int64)
    ends = [int(starts[0]), int(starts[-1])] if len(starts) else []
    if ends != [0, len(columns)] or (np.diff(starts) < 0).any():
        raise WorkloadError(
            f"{path}: indptr must rise from 0 to {len(columns)}, the number of indices"
        )
    values = arrays.get("data", np.ones(len(columns)))
    if values.shape != columns.shape or values.dtype.kind not in "iufb":
        raise WorkloadError(f"{path}: data must be a number for each of {len(columns)} indices")
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        raise WorkloadError(f"{path}: data must be finite")
    return np.repeat(np.arange(len(starts) - 1), np.diff(starts)), columns, values
