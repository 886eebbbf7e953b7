"""All ONNX operators that are known.

References
----------
.. [1] ONNX, "Operators", https://onnx.ai/onnx/operators/
"""

from __future__ import annotations

from workloads.loaders.onnx import (
    composed_nodes,
    function_nodes,
    index_nodes,
    movement_nodes,
    product_nodes,
    recurrent_nodes,
    resize_nodes,
)
from workloads.loaders.onnx.node import Handler

#: Operators of the standard domain to what imports them.
HANDLERS: dict[str, Handler] = {
    **product_nodes.HANDLERS,
    **function_nodes.HANDLERS,
    **composed_nodes.HANDLERS,
    **index_nodes.HANDLERS,
    **movement_nodes.HANDLERS,
    **resize_nodes.HANDLERS,
    **recurrent_nodes.HANDLERS,
}
