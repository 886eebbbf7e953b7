"""A lesson about a systolic array, as a web page."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import numpy as np

from accel.array_events import modelled
from accel.folds import Operand, Product
from accel.spec import ArraySpec
from accel.timing import TIMINGS
from foundation.errors import OutputError, RooftileError
from reports.teach import Lesson, make_lesson, page

#: Cycles that one page can show; a few MB at most.
MAX_CYCLES = 3000
#: Operands are -9 to 9: people can follow the products.
LARGEST_OPERAND = 9


def teach(
    path: Path,
    *,
    array: tuple[int, int],
    gemm: tuple[int, int, int],
    dataflow: str,
    registers: int,
    seed: int,
) -> Lesson:
    """Write a page that steps through a product's cycles, and return what it shows.

    Parameters
    ----------
    path
        Of the page; a file that is there is replaced.
    array
        R and C, in PEs.
    gemm
        M, N and K.
    dataflow
        WS, OS or IS.
    registers
        Of the stationary operand in a PE, 1 or 2.
    seed
        Of the operands.

    Raises
    ------
    RooftileError
        When the product takes more than ``MAX_CYCLES``.
    OutputError
        When the page can't be written; nothing is left half-written.
    """
    _check_path(path)
    spec = ArraySpec(
        rows=array[0],
        columns=array[1],
        dataflow=dataflow,
        timing=TIMINGS["rtl" if registers == 2 else "rtl_single"],
        dtypes=("int8",),
    )
    product = _random_product(gemm, seed)
    total_cycles = modelled([product], spec)[0].last_output + 1
    if total_cycles > MAX_CYCLES:
        raise RooftileError(
            f"the product takes {total_cycles:,} cycles but a page shows at most {MAX_CYCLES:,};"
            " choose a smaller product or a larger array"
        )
    lesson = make_lesson(product, spec)
    _write(path, page(lesson))
    return lesson


def _random_product(gemm: tuple[int, int, int], seed: int) -> Product:
    m, n, k = gemm
    rng = np.random.default_rng(seed)

    def operand(rows: int, columns: int) -> Operand:
        return rng.integers(-LARGEST_OPERAND, LARGEST_OPERAND + 1, (1, rows, columns), np.int8)

    return Product(input=operand(m, k), weight=operand(k, n))


def _check_path(path: Path) -> None:
    """Raise OutputError unless ``path`` can be written: before a run, not after it."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = stat.S_IFREG
    except OSError as error:
        raise _cannot_write(path, error) from None
    if stat.S_ISDIR(mode):
        raise OutputError(f"output '{path}': is a folder; give the name of a file")
    if not stat.S_ISREG(mode):  # replacing a device or pipe by a file would break it
        raise OutputError(f"output '{path}': isn't a regular file; choose another name")
    parent = path.absolute().parent
    if not parent.is_dir():
        raise OutputError(f"output '{path}': its parent '{parent}' isn't a folder; make it first")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(
            f"output '{path}': no permission to write in '{parent}'; choose another place"
        )


def _write(path: Path, text: str) -> None:
    """Write the file as a whole or not at all."""
    partial = None
    try:
        target = path.resolve()
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(descriptor)
        partial = Path(name)
        partial.write_text(text, encoding="utf-8")
        partial.chmod(0o644)
        partial.replace(target)
    except OSError as error:
        raise _cannot_write(path, error) from None
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)


def _cannot_write(path: Path, error: OSError) -> OutputError:
    reason = error.strerror or str(error)
    return OutputError(
        f"output '{path}': can't be written ({reason[:1].lower()}{reason[1:]});"
        " nothing was left behind"
    )
