"""A lesson about a systolic array, as a web page."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from accel.array_events import modelled
from accel.folds import Operand, Product
from accel.spec import ArraySpec
from accel.timing import TIMINGS
from foundation.errors import RooftileError
from foundation.output_file import check_output_file, write_output_file
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
    check_output_file(path)
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
    write_output_file(path, [page(lesson)])
    return lesson


def _random_product(gemm: tuple[int, int, int], seed: int) -> Product:
    m, n, k = gemm
    rng = np.random.default_rng(seed)

    def operand(rows: int, columns: int) -> Operand:
        return rng.integers(-LARGEST_OPERAND, LARGEST_OPERAND + 1, (1, rows, columns), np.int8)

    return Product(input=operand(m, k), weight=operand(k, n))
