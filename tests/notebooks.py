"""Runs a notebook's cells without Jupyter, in one namespace, as a kernel would show them.

Of each cell it keeps what is printed and what its last expression shows: HTML where the value has
``_repr_html_``, else text. Pictures are drawn, and must be PNG, but aren't kept: their bytes depend
on matplotlib's version.
"""

from __future__ import annotations

import ast
import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

_PNG = b"\x89PNG\r\n\x1a\n"


def executed(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return a notebook with the outputs of its cells."""
    names: dict[str, Any] = {"__name__": "__main__"}
    count = 0
    cells = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            count += 1
            outputs = _outputs("".join(cell["source"]), names, count)
            cell = {**cell, "execution_count": count, "outputs": outputs}
        cells.append(cell)
    return {**notebook, "cells": cells}


def text_of(notebook: dict[str, Any]) -> str:
    """Return a notebook as its file says it."""
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def read(path: Path) -> dict[str, Any]:
    """Return the notebook of a file."""
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _outputs(source: str, names: dict[str, Any], count: int) -> list[dict[str, Any]]:
    tree = ast.parse(source)
    last = tree.body[-1] if tree.body else None
    shown = None
    printed = io.StringIO()
    with redirect_stdout(printed):
        if isinstance(last, ast.Expr):
            tree.body.pop()
            exec(compile(tree, f"cell {count}", "exec"), names)
            shown = eval(compile(ast.Expression(last.value), f"cell {count}", "eval"), names)
        else:
            exec(compile(tree, f"cell {count}", "exec"), names)
    outputs: list[dict[str, Any]] = []
    if printed.getvalue():
        outputs.append(
            {"name": "stdout", "output_type": "stream", "text": _lines(printed.getvalue())}
        )
    if shown is not None:
        outputs.append(
            {
                "data": _data(shown),
                "execution_count": count,
                "metadata": {},
                "output_type": "execute_result",
            }
        )
    return outputs


def _data(shown: Any) -> dict[str, list[str]]:
    if hasattr(shown, "_repr_png_"):
        assert shown._repr_png_().startswith(_PNG)
    if hasattr(shown, "_repr_html_"):
        return {"text/html": _lines(shown._repr_html_())}
    return {"text/plain": _lines(repr(shown))}


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)
