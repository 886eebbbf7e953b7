"""Compiles the hot loops where a C compiler is there; without one they run as plain Python."""

from __future__ import annotations

from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

#: A module with a file of C types beside it is compiled.
MODULES = [path.with_suffix("") for path in sorted(Path("accel").rglob("*.pxd"))]

setup(
    ext_modules=cythonize(
        [Extension(".".join(module.parts), [f"{module}.py"], optional=True) for module in MODULES],
        build_dir="build",
        compiler_directives={
            "annotation_typing": False,
            "boundscheck": False,
            "cdivision": True,
            "infer_types": True,
            "initializedcheck": False,
            "language_level": 3,
            "wraparound": False,
        },
    )
)
