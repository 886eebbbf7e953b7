"""An exported program as plain Python: nodes, and what the program holds.

References
----------
.. [1] PyTorch, torch/_export/serde/schema.py, https://github.com/pytorch/pytorch
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from foundation.errors import WorkloadError
from foundation.numerics import Array
from workloads.loaders.torch.archive import FLOATS, Archive, opened
from workloads.loaders.torch.node import Meta, Name, Node

#: Major version of the schema that is read; every minor one only adds to it.
SCHEMA = 8
_INLINED = ("wrap_with_set_grad_enabled", "wrap_with_autocast", "invoke_subgraph")
_DEEPEST = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An array of the file.

    Parameters
    ----------
    name
        Where in the model it stands: ``layer1.0.conv1.weight``. Tied weights have one name.
    meta
        Its type and sizes.
    is_parameter
        Whether it is learned; buffers and constants aren't.
    known
        Its elements, if they are few and it isn't learned.
    """

    name: str
    meta: Meta
    is_parameter: bool
    known: Array | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a file holds.

    Parameters
    ----------
    nodes
        In the file's order, in which each comes after what it reads.
    stored, inputs, numbers
        Arrays, inputs that are tensors, and inputs that are numbers, by their names in the graph.
    outputs
        Names.
    metas
        Type and sizes of every tensor by name.
    symbols
        Numbers of the graph to their expressions.
    dtype
        The number type of most parameters.
    """

    nodes: tuple[Node, ...]
    stored: Mapping[str, Stored]
    inputs: Mapping[str, Meta]
    numbers: Mapping[str, Any]
    outputs: tuple[str, ...]
    metas: Mapping[str, Meta]
    symbols: Mapping[str, int | str]
    dtype: str


def contents(path: Path) -> Contents:
    """Return what a `.pt2` file holds.

    Raises
    ------
    WorkloadError
        It can't be read, or has another version.
    """
    with opened(path) as archive:
        return contents_of(archive)


def contents_of(archive: Archive) -> Contents:
    """Return what an archive holds."""
    program = archive.program
    version = program["schema_version"]
    if version["major"] != SCHEMA:
        raise WorkloadError(
            f"its schema has version {version['major']}.{version['minor']} but only {SCHEMA} is"
            " read; export it again with PyTorch 2.5 or later"
            if version["major"] < SCHEMA
            else f"its schema has version {version['major']}.{version['minor']} but only {SCHEMA}"
            " is read; export it with an earlier PyTorch"
        )
    module = program["graph_module"]
    graph, signature = module["graph"], module["signature"]
    reader = _Reader()
    reader.read(graph, {})
    stored, inputs, numbers = {}, {}, {}
    for spec in signature["input_specs"]:
        (kind, entry), *_ = spec.items()
        match kind:
            case "parameter" | "buffer" | "tensor_constant":
                name = entry["arg"]["name"]
                stored[name] = _stored(archive, kind, entry, reader.metas[name])
            case "user_input":
                given = _argument(entry["arg"])
                if isinstance(given, Name) and given.name in reader.metas:
                    inputs[given.name] = reader.metas[given.name]
            case "constant_input":
                numbers[entry["name"]] = next(iter(entry["value"].values()))
            case _:
                pass  # tokens and objects: a node that reads one says so
    outputs = [
        _argument(entry["arg"])
        for spec in signature["output_specs"]
        for kind, entry in spec.items()
        if kind == "user_output"
    ]
    names = tuple(item.name for item in outputs if isinstance(item, Name))
    if not reader.nodes:
        raise WorkloadError("its program has no node; give a network that computes something")
    return Contents(
        nodes=tuple(reader.nodes),
        stored=stored,
        inputs=inputs,
        numbers=numbers,
        outputs=names,
        metas=reader.metas,
        symbols=reader.symbols,
        dtype=_dtype(stored.values(), inputs.values()),
    )


def _stored(archive: Archive, kind: str, entry: Mapping[str, Any], meta: Meta) -> Stored:
    name = entry[f"{kind}_name"]
    is_parameter = kind == "parameter"
    known = None if is_parameter else archive.array(name)
    return Stored(name=archive.origin(name), meta=meta, is_parameter=is_parameter, known=known)


def _dtype(stored: Any, inputs: Any) -> str:
    """Return the number type of most parameters, of most inputs where there are none."""
    elements: Counter[str] = Counter()
    for array in stored:
        if array.is_parameter and array.meta.dtype in FLOATS:
            elements[FLOATS[array.meta.dtype]] += prod(_numbers(array.meta.sizes))
    if not elements:
        elements.update(FLOATS[meta.dtype] for meta in inputs if meta.dtype in FLOATS)
    return max(elements, key=lambda name: elements[name], default="fp32")


def _numbers(sizes: Sequence[int | str]) -> Iterator[int]:
    return (size for size in sizes if isinstance(size, int))


class _Reader:
    """Collects nodes and tensors; graphs within nodes that only wrap others become part of it."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.metas: dict[str, Meta] = {}
        self.symbols: dict[str, int | str] = {}
        self._depth = 0

    def read(self, graph: Mapping[str, Any], names: dict[str, str]) -> None:
        """Read a graph whose tensors are called as ``names`` says, if they are in it."""

        def renamed(name: str) -> str:
            return names.get(name, f"{prefix}{name}")

        prefix = f"{len(self.nodes)}." if self._depth else ""
        for name, meta in graph["tensor_values"].items():
            sizes = tuple(_expression(size) for size in meta["sizes"])
            self.metas.setdefault(renamed(name), Meta(int(meta["dtype"]), sizes))
        for name, number in graph["sym_int_values"].items():
            self.symbols[renamed(name)] = _expression(number)
        for node in graph["nodes"]:
            target = node["target"]
            if target.rpartition(".")[2] in _INLINED and "higher_order" in target:
                self._inline(node, renamed)
            else:
                self.nodes.append(_node(node, renamed))

    def _inline(self, node: Mapping[str, Any], renamed: Any) -> None:
        """Read the graph of a node, whose inputs are what is given behind it."""
        arguments = [_argument(item["arg"], renamed) for item in node["inputs"]]
        place = next(n for n, item in enumerate(node["inputs"]) if "as_graph" in item["arg"])
        graph = node["inputs"][place]["arg"]["as_graph"]["graph"]
        operands = [item for item in _listed(arguments[place + 1 :]) if isinstance(item, Name)]
        inner = [_argument(item) for item in graph["inputs"]]
        names = {
            item.name: given.name
            for item, given in zip(inner, operands, strict=True)
            if isinstance(item, Name)
        }
        outputs = _listed([_argument(item, renamed) for item in node["outputs"]])
        results = _listed([_argument(item) for item in graph["outputs"]])
        for result, output in zip(results, outputs, strict=False):
            if isinstance(result, Name) and isinstance(output, Name):
                if result.name in names:
                    self.nodes.append(_alias(names[result.name], output.name))
                else:
                    names[result.name] = output.name
        self._depth += 1
        if self._depth > _DEEPEST:
            raise WorkloadError(f"its graphs lie more than {_DEEPEST} deep in each other")
        self.read(graph, names)
        self._depth -= 1


def _alias(source: str, output: str) -> Node:
    arguments = {"self": Name(source)}
    return Node(
        name=output, target="torch.ops.aten.alias.default", arguments=arguments, outputs=(output,)
    )


def _listed(items: Sequence[Any]) -> list[Any]:
    """Return items, and those of lists among them, one after the other."""
    return [x for item in items for x in (item if isinstance(item, list) else [item])]


def _node(node: Mapping[str, Any], renamed: Any) -> Node:
    outputs = _listed([_argument(item, renamed) for item in node["outputs"]])
    names = tuple(item.name if isinstance(item, Name) else None for item in outputs)
    given = {
        item["name"] or f"#{place}": _argument(item["arg"], renamed)
        for place, item in enumerate(node["inputs"])
    }
    module, is_leaf = _module(node["metadata"].get("nn_module_stack", ""))
    name = node.get("name") or next((n for n in names if n), node["target"])
    return Node(
        name=name,
        target=node["target"],
        arguments=given,
        outputs=names,
        module=module,
        is_leaf=is_leaf,
    )


def _module(stack: str) -> tuple[str, bool]:
    """Return the innermost module of a stack ``key,path,type;…``, and whether it is torch.nn's."""
    parts = stack.rpartition(";")[2].split(",")
    if len(parts) != 3:
        return "", False
    return parts[1].partition("@")[0], parts[2].startswith("torch.nn.modules.")


def _expression(number: Mapping[str, Any]) -> int | str:
    """Return a number of the schema, or its expression."""
    (kind, value), *_ = number.items()
    return int(value) if kind == "as_int" else str(value["expr_str"])


def _argument(argument: Mapping[str, Any], renamed: Any = lambda name: name) -> Any:
    """Return an argument of the schema in plain Python."""
    ((kind, value),) = argument.items()
    match kind:
        case "as_none":
            return None
        case "as_tensor" | "as_custom_obj":
            return Name(renamed(value["name"]))
        case "as_tensors":
            return [Name(renamed(item["name"])) for item in value]
        case "as_name":
            return Name(renamed(value))
        case "as_sym_int" | "as_sym_bool" | "as_sym_float" | "as_optional_tensor":
            return _argument(value, renamed)
        case "as_optional_tensors" | "as_sym_ints" | "as_sym_bools" | "as_sym_floats":
            return [_argument(item, renamed) for item in value]
        case "as_nested_tensors":
            return [[Name(renamed(item["name"])) for item in items] for items in value]
        case "as_float":
            return float(value)  # infinities are text
        case "as_floats":
            return [float(item) for item in value]
        case "as_graph":
            return value["name"]
        case _:
            return value
