"""All operators of PyTorch's aten library that are known.

References
----------
.. [1] PyTorch, aten/src/ATen/native/native_functions.yaml, https://github.com/pytorch/pytorch
"""

from __future__ import annotations

from workloads.loaders.torch import (
    function_nodes,
    movement_nodes,
    product_nodes,
    window_nodes,
)
from workloads.loaders.torch.node import Handler

#: Operators to what imports them; one that writes into its input has the name without ``_``.
HANDLERS: dict[str, Handler] = {
    **product_nodes.HANDLERS,
    **window_nodes.HANDLERS,
    **function_nodes.HANDLERS,
    **movement_nodes.HANDLERS,
}
