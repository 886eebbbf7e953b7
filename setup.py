"""Compiles the hot loops where a C compiler is there; without one they run as plain Python."""

from __future__ import annotations

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

#: A module with a file of C types beside it is compiled.
MODULES = [
    path.with_suffix("")
    for folder in (Path("accel"), Path("mapper"))
    for path in sorted(folder.rglob("*.pxd"))
]

extensions = cythonize(
    [Extension(".".join(module.parts), [f"{module}.py"]) for module in MODULES],
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
for extension in extensions:
    extension.optional = True
    if os.name == "posix":
        extension.extra_compile_args = ["-g0"]  # halves the time that compiling takes

setup(ext_modules=extensions, options={"build_ext": {"parallel": os.cpu_count()}})
