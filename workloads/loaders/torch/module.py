"""A PyTorch module in memory as a network: exported, and read as its file would be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from foundation.errors import WorkloadError
from workloads.graph import Graph
from workloads.loaders.asked import AS_IT_IS, Asked
from workloads.loaders.torch.load import load_as


def from_module(
    module: Any,
    inputs: Sequence[Any] = (),
    *,
    keywords: Mapping[str, Any] | None = None,
    dynamic_shapes: Any = None,
    name: str | None = None,
    asked: Asked = AS_IT_IS,
) -> Graph:
    """Return the network of a PyTorch module.

    Parameters
    ----------
    module
        A `torch.nn.Module` in evaluation mode, or a `torch.export.ExportedProgram`.
    inputs, keywords
        Example inputs by position and by name; an exported program needs none.
    dynamic_shapes
        Open dimensions, as `torch.export.export` takes them; ``asked`` gives their sizes.
    name
        What the network is called; by default the module's class.
    asked
        Batch, number type and open dimensions.

    Raises
    ------
    WorkloadError
        PyTorch isn't there, the module is in training mode or can't be exported, or the network has
        an operator that isn't known.
    """
    try:
        import torch
    except ImportError:
        raise WorkloadError(
            "reading a PyTorch module needs the package torch; install it with"
            " pip install 'rooftile[torch]', or read a file of torch.export.save without it"
        ) from None
    what = name or type(module).__name__
    program = module
    if not isinstance(module, torch.export.ExportedProgram):
        if module.training:
            raise WorkloadError(f"module '{what}': is in training mode; call eval() first")
        try:
            with torch.no_grad():
                program = torch.export.export(
                    module,
                    tuple(inputs),
                    dict(keywords or {}),
                    dynamic_shapes=dynamic_shapes,
                    strict=False,
                )
        except Exception as error:  # the exporter has exceptions of its own for each fault
            raise WorkloadError(f"module '{what}': can't be exported: {error}") from error
    with TemporaryDirectory() as folder:
        path = Path(folder) / "module.pt2"
        torch.export.save(program, path)
        return load_as(path, what, asked, f"module '{what}'")
