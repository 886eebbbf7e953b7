"""Write what PyTorch says of published networks: ``python -m tests.workloads.export_torch``.

Needs torch, torchvision, timm, transformers, onnx and onnxscript; no test does. For every network
of `torch_networks.py`, with random weights, it writes what `torch.export.save` does, without
weights, into ``tests/workloads/torch/``, and what PyTorch's own code counts into ``reference.json``
there and, of every module and product, into ``layers.json.xz``. With ``--onnx`` it writes what
`torch.onnx.export` does instead, with ``--optimized`` as well after that exporter has folded batch
normalization into weights; with ``--cases`` small networks with their weights and values. Names
choose networks.
"""

from __future__ import annotations

import ast
import copy
import io
import json
import lzma
import re
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from tests.workloads.torch_networks import CASES, COUNTED_ONLY, NETWORKS

FOLDER = Path(__file__).parent / "torch"
#: Products of matrices and vectors, which the counter doesn't know, to their matrix's argument.
UNCOUNTED = {"mv": 0, "dot": 0, "addmv": 1}


class _Products(TorchDispatchMode):
    """Keeps shape and multiply-accumulates of all that PyTorch's counter counts, and the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[list[int], int]] = []
        self.uncounted_macs = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name in UNCOUNTED:
            macs = args[UNCOUNTED[name]].numel()
            self.uncounted_macs += macs
        elif func.overloadpacket in flop_registry:
            count = flop_registry[func.overloadpacket]
            macs = count(*args, **(kwargs or {}), out_val=result) // 2
        else:
            return result
        self.found.append((list(result.shape), macs))
        return result


@contextmanager
def _watched(model: torch.nn.Module, products: _Products) -> Iterator[list[Any]]:
    """Keep name, output shape and multiply-accumulates of each call of a layer of `torch.nn`.

    Layers are what has no modules inside, subclasses included.
    """
    calls: list[Any] = []
    begun: list[int] = []

    def leave(name: str, output: Any) -> None:
        inside = products.found[begun.pop() :]
        if isinstance(output, torch.Tensor):
            calls.append([name, list(output.shape), sum(macs for _, macs in inside)])

    hooks = []
    for name, module in model.named_modules():
        bases = [base.__module__ for base in type(module).__mro__ if base is not torch.nn.Module]
        is_layer = any(base.startswith("torch.nn.modules.") for base in bases)
        if is_layer and not list(module.children()):
            enter = module.register_forward_pre_hook(lambda *_: begun.append(len(products.found)))
            hooks += [enter, module.register_forward_hook(lambda *a, n=name: leave(n, a[-1]))]
    yield calls
    for hook in hooks:
        hook.remove()


def counted(model: torch.nn.Module, args: Any, kwargs: Any) -> dict[str, Any]:
    """Return what PyTorch counts of a model at inference: multiply-accumulates, output shapes.

    Attention and recurrences run as the products that they are, which the counter sees.
    """
    torch.backends.mha.set_fastpath_enabled(False)
    model.requires_grad_(False)
    products = _Products()
    with (
        torch.no_grad(),
        FlopCounterMode(display=False) as flops,
        products,
        _watched(model, products) as calls,
        sdpa_kernel(SDPBackend.MATH),
        torch.backends.mkldnn.flags(enabled=False),
    ):
        outputs = model(*args, **kwargs)
    total = flops.get_total_flops()
    assert total % 2 == 0
    return {
        "macs": total // 2 + products.uncounted_macs,
        "uncounted_macs": products.uncounted_macs,
        "outputs": [
            list(leaf.shape) for leaf in tree_leaves(outputs) if isinstance(leaf, torch.Tensor)
        ],
        "products": products.found,
        "modules": calls,
    }


def counted_without_data(model: torch.nn.Module, args: Any, kwargs: Any) -> dict[str, Any]:
    """As `counted`, on tensors without elements; with them where the model looks at data."""

    def bare(item: Any) -> Any:
        return item.to("meta") if isinstance(item, torch.Tensor) else item

    try:
        return counted(
            copy.deepcopy(model).to("meta"), tree_map(bare, args), tree_map(bare, kwargs)
        )
    except (RuntimeError, NotImplementedError):
        return counted(model, args, kwargs)


def stripped_program(data: bytes) -> bytes:
    """Return a `.pt2` file without weights, samples and stack traces."""
    result = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(result, "w", zipfile.ZIP_LZMA) as new,
    ):
        kept = _small_arrays(old)
        for info in old.infolist():
            name = info.filename.partition("/")[2]
            content = old.read(info)
            if name.startswith("models/"):
                content = _without_traces(content)
            elif not name.endswith("_config.json") and name not in kept:
                continue
            new.writestr(zipfile.ZipInfo(f"program/{name}"), content, zipfile.ZIP_LZMA)
    return result.getvalue()


def _small_arrays(archive: zipfile.ZipFile) -> set[str]:
    """Return the stored arrays that aren't weights: integers, and a few numbers."""
    kept = set()
    for kind in ("weights", "constants"):
        names = [n for n in archive.namelist() if n.endswith(f"_{kind}_config.json")]
        for name in names:
            for payload in json.loads(archive.read(name))["config"].values():
                meta = payload["tensor_meta"]
                if payload["is_param"] or meta is None:
                    continue
                elements = 1
                for size in meta["sizes"]:
                    elements *= size["as_int"]
                if meta["dtype"] in (1, 2, 3, 4, 5, 12) or elements <= 4:
                    kept.add(f"data/{kind}/{payload['path_name']}")
    return kept


def _without_traces(content: bytes) -> bytes:
    program = json.loads(content)

    def strip(item: Any) -> None:
        if isinstance(item, dict):
            if "metadata" in item and "target" in item:
                stack = item["metadata"].get("nn_module_stack", "")
                item["metadata"] = {"nn_module_stack": stack.rpartition(";")[2]}
            for value in item.values():
                strip(value)
        elif isinstance(item, list):
            for value in item:
                strip(value)

    strip(program)
    program["graph_module"]["module_call_graph"] = []
    program["guards_code"] = []
    return json.dumps(program, separators=(",", ":")).encode()


def stripped_onnx(proto: onnx.ModelProto, *, keeps_origins: bool = False) -> bytes:
    """Return an ONNX model without its floating-point arrays, most names of the code, and shapes.

    With ``keeps_origins`` nodes say which parameters they read before they were optimized.
    """
    for tensor in proto.graph.initializer:
        is_float = tensor.data_type in (1, 10, 11, 16)
        elements = 1
        for size in tensor.dims:
            elements *= size
        if is_float and elements > 4:
            tensor.ClearField("raw_data")
            tensor.ClearField("float_data")
    for node in proto.graph.node:
        said = {entry.key: entry.value for entry in node.metadata_props}
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
        for key in ("name_scopes", "class_hierarchy"):
            last = ast.literal_eval(said.get(f"pkg.torch.onnx.{key}", "[]"))[-2:]
            node.metadata_props.add(key=f"pkg.torch.onnx.{key}", value=str(last))
        if keeps_origins:
            text = said.get("pkg.torch.onnx.fx_node", "")
            kept = " ".join(re.findall(r"%[pb]_\w+|aten\.addmm", text))
            node.metadata_props.add(key="pkg.torch.onnx.fx_node", value=kept)
            rules = said.get("pkg.onnxscript.rewriter.rule_name", "")
            node.metadata_props.add(key="pkg.onnxscript.rewriter.rule_name", value=rules)
    proto.graph.ClearField("value_info")
    for entry in (*proto.graph.input, *proto.graph.output, *proto.graph.initializer):
        entry.ClearField("metadata_props")
    return lzma.compress(proto.SerializeToString(), preset=9)


def export(name: str) -> dict[str, Any]:
    """Write a network's exported program, and return what PyTorch counts of it."""
    model, args, kwargs = built(name)
    unread_parameters = 0
    if name not in COUNTED_ONLY:
        buffer = io.BytesIO()
        with torch.no_grad():
            program = torch.export.export(model, args, kwargs, strict=False)
        torch.export.save(program, buffer)
        (FOLDER / f"{name}.pt2").write_bytes(stripped_program(buffer.getvalue()))
        unread_parameters = unread(program)
    # Of the model itself: a copy without elements has its tied weights twice.
    parameters = sum(parameter.numel() for parameter in model.parameters())
    counts = {"parameters": parameters, "unread_parameters": unread_parameters}
    return {**counts, **counted_without_data(model, args, kwargs)}


def unread(program: torch.export.ExportedProgram) -> int:
    """Return how many parameters nothing in a program reads: an ONNX file leaves them out."""
    names = program.graph_signature.inputs_to_parameters
    nodes = [node for node in program.graph.nodes if node.name in names]
    read = {program.state_dict[names[node.name]].data_ptr() for node in nodes if node.users}
    arrays = {array.data_ptr(): array for array in map(program.state_dict.get, names.values())}
    return sum(array.numel() for place, array in arrays.items() if place not in read)


def export_onnx(name: str) -> None:
    """Write a network's ONNX model."""
    model, args, kwargs = built(name)
    exported = torch.onnx.export(
        model, args, kwargs=kwargs, dynamo=True, verbose=False, optimize=False
    )
    (FOLDER / f"{name}.onnx.xz").write_bytes(stripped_onnx(exported.model_proto))
    if "--optimized" in sys.argv:
        exported.optimize()
        path = FOLDER / f"{name}.optimized.onnx.xz"
        path.write_bytes(stripped_onnx(exported.model_proto, keeps_origins=True))


def export_case(name: str) -> None:
    """Write a small network as it is, and values of its inputs and outputs."""
    torch.manual_seed(0)
    model, args, kwargs = CASES[name]()
    model = model.eval()
    with torch.no_grad():
        program = torch.export.export(model, args, kwargs, strict=False)
        outputs = tree_leaves(model(*args, **kwargs))
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    with (
        zipfile.ZipFile(buffer) as old,
        zipfile.ZipFile(FOLDER / f"{name}.case.pt2", "w", zipfile.ZIP_LZMA) as new,
    ):
        for info in old.infolist():
            content = old.read(info)
            if "/models/" in info.filename:
                content = _without_traces(content)
            if "sample_inputs" not in info.filename:
                new.writestr(zipfile.ZipInfo(info.filename), content, zipfile.ZIP_LZMA)
    signature = program.graph_signature
    arrays = dict(zip(signature.user_inputs, args, strict=True))
    arrays |= dict(zip((f"output.{n}" for n in signature.user_outputs), outputs, strict=True))
    np.savez_compressed(FOLDER / f"{name}.npz", **{n: a.numpy() for n, a in arrays.items()})


def built(name: str) -> tuple[Any, Any, Any]:
    """Return a network for inference, and its inputs."""
    torch.manual_seed(0)
    model, args, kwargs = NETWORKS[name]()
    return model.eval(), args, kwargs


def main() -> None:
    """Export the networks that are named, or all."""
    FOLDER.mkdir(exist_ok=True)
    known = CASES if "--cases" in sys.argv else NETWORKS
    names = [name for name in sys.argv[1:] if name[0] != "-"] or list(known)
    if "--cases" not in sys.argv and "--onnx" not in sys.argv:
        export_all(names)
        return
    for name in names:
        (export_case if "--cases" in sys.argv else export_onnx)(name)
        print(name, flush=True)


def export_all(names: Sequence[str]) -> None:
    """Write exported programs, and what PyTorch counts of them beside what is there."""
    path, layers_path = FOLDER / "reference.json", FOLDER / "layers.json.xz"
    reference = json.loads(path.read_text()) if path.exists() else {}
    layers = json.loads(lzma.decompress(layers_path.read_bytes())) if layers_path.exists() else {}
    for name in names:
        found = export(name)
        layers[name] = {kind: found.pop(kind) for kind in ("products", "modules")}
        reference[name] = found
        print(name, found, flush=True)
        lines = [f'"{key}": {json.dumps(reference[key])}' for key in sorted(reference)]
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
        text = json.dumps(layers, sort_keys=True)
        layers_path.write_bytes(lzma.compress(text.encode(), preset=9))


if __name__ == "__main__":
    main()
