"""Files of networks: each format has a loader, which is imported when a file needs it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from foundation.errors import WorkloadError
from workloads.graph import Graph
from workloads.loaders.asked import AS_IT_IS, Asked

Loader = Callable[[Path, Asked], Graph]

#: Suffix of a file to the module whose ``load(path, asked)`` reads it.
FORMATS = {
    ".yaml": "workloads.loaders.yaml",
    ".yml": "workloads.loaders.yaml",
    ".json": "workloads.loaders.huggingface.load",
    ".csv": "workloads.loaders.scalesim",
    ".onnx": "workloads.loaders.onnx.load",
    ".pt2": "workloads.loaders.torch.load",
    ".prototxt": "workloads.loaders.caffe.load",
    ".tflite": "workloads.loaders.tflite.load",
}


def load_file(path: Path, asked: Asked = AS_IT_IS) -> Graph:
    """Return the network of a file, by its suffix; one step of its training if that is asked for.

    Raises
    ------
    WorkloadError
        When the suffix is unknown, the file doesn't describe a network, or it can't be trained.
    """
    module = FORMATS.get(path.suffix)
    if module is None:
        raise WorkloadError(f"{path}: suffix '{path.suffix}' must be one of {', '.join(FORMATS)}")
    load: Loader = import_module(module).load
    graph = load(path, asked)
    if asked.training is None:
        return graph
    from workloads.training.step import training_step

    return training_step(graph, asked.training)
