"""`make bench`: loading a model whose weights are 20 GB in another file."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.workloads.onnx_models import large_model
from workloads.loaders.files import load_file

LAYERS = 80
LIMIT_S = 2.0


def main() -> None:
    """Print how long it takes; the file of weights is sparse, so that it needs no disk."""
    with TemporaryDirectory() as folder:
        path = large_model(Path(folder), LAYERS)
        weights = Path(folder, "weights.bin")
        weights.touch()
        os.truncate(weights, LAYERS * 4 * 8192**2)
        size_bytes = weights.stat().st_size
        start = time.perf_counter()
        graph = load_file(path)
        seconds = time.perf_counter() - start
    assert graph.total_parameters * 4 == size_bytes
    sys.stdout.write(
        f"ONNX model with {size_bytes / 1e9:.1f} GB of weights: {len(graph.layers)} layers in"
        f" {seconds:.2f} s (limit {LIMIT_S:g} s{', MISSED' * (seconds > LIMIT_S)})\n"
    )


if __name__ == "__main__":
    main()
