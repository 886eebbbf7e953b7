"""Sparse products and graph convolutions, against dense matrices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from accel.spec_file import load_preset
from foundation.errors import WorkloadError
from foundation.numerics import Array
from rooftile.simulation import simulate
from rooftile.validate.program import validate_program
from tests.rooftile.command import Command
from workloads.adjacency import Adjacency
from workloads.evaluate import evaluate
from workloads.graph import Graph
from workloads.loaders.yaml import load_network, load_zoo, parse_network, to_yaml
from workloads.random_values import random_tensors
from workloads.sparse import NodeOrder

EDGES: list[tuple[float, ...]] = [
    (0, 1),
    (0, 2),
    (0, 3),
    (0, 4),
    (0, 5),
    (1, 0),
    (2, 0),
    (4, 2),
    (4, 3),
]


def dense(edges: list[tuple[float, ...]], nodes: int, weights: str, *, self_loops: bool) -> Array:
    matrix: Array = np.zeros((nodes, nodes))
    for row, column, *value in edges:
        matrix[int(row), int(column)] += value[0] if value else 1
    if self_loops:
        matrix += np.eye(nodes)
    sums = matrix.sum(axis=1)
    sums[sums == 0] = 1
    if weights == "symmetric":
        matrix = matrix / np.sqrt(sums)[:, np.newaxis] / np.sqrt(sums)
    elif weights == "mean":
        matrix = matrix / sums[:, np.newaxis]
    return matrix


def network(folder: Path, layer: str, edges: str, dtype: str = "fp32") -> Graph:
    (folder / "edges.txt").write_text(edges)
    text = f"name: n\ndtype: {dtype}\ninputs: {{x: [6, 4]}}\nlayers: [{{name: g, {layer}}}]"
    (folder / "net.yaml").write_text(text)
    graph = load_network(folder / "net.yaml")
    assert parse_network(to_yaml(graph), "resolved.yaml") == graph
    return graph


def listed(edges: list[tuple[float, ...]]) -> str:
    return "# row column value\n" + "\n".join(" ".join(map(str, one)) for one in edges)


@pytest.mark.parametrize("self_loops", [True, False])
@pytest.mark.parametrize("weights", ["symmetric", "mean", "sum"])
@pytest.mark.parametrize("values", [True, False])
def test_a_sparse_product_is_a_dense_one(
    tmp_path: Path, values: bool, weights: str, self_loops: bool
) -> None:
    edges = [(*edge, number + 1) if values else edge for number, edge in enumerate(EDGES)]
    options = f"weights: {weights}, self_loops: {str(self_loops).lower()}"
    graph = network(tmp_path, f"op: sparse_matmul, graph: edges.txt, {options}", listed(edges))
    tensors = random_tensors(graph, seed=0)
    matrix = dense(edges, 6, weights, self_loops=self_loops)
    assert evaluate(graph, tensors)["g"] == pytest.approx(matrix @ tensors["x"], rel=1e-5)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("activation", ["identity", "relu"])
@pytest.mark.parametrize("order", ["A(XW)", "(AX)W"])
def test_both_orders_of_a_graph_convolution(
    tmp_path: Path, order: str, activation: str, bias: bool
) -> None:
    options = f'out: 3, order: "{order}", activation: {activation}, bias: {str(bias).lower()}'
    graph = network(tmp_path, f"op: graph_conv, graph: edges.txt, {options}", listed(EDGES))
    assert graph.total_macs == 6 * 4 * 3
    assert graph.total_parameters == 4 * 3 + 3 * bias
    tensors = random_tensors(graph, seed=0)
    owner = "g.transform" if order == "A(XW)" else "g"
    expected = dense(EDGES, 6, "symmetric", self_loops=True) @ tensors["x"]
    expected = expected @ tensors[f"{owner}.weight"]
    if bias:
        expected = expected + tensors["g.bias"]
    if activation == "relu":
        expected = np.maximum(expected, 0)
    assert evaluate(graph, tensors)["g"] == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(("out", "first"), [(3, "g.transform"), (4, "g.transform"), (5, "g.agg")])
def test_the_order_with_fewer_operations_is_taken(tmp_path: Path, out: int, first: str) -> None:
    options = f"op: graph_conv, graph: edges.txt, out: {out}"
    graph = network(tmp_path, options, listed(EDGES))
    assert graph.layers[0].name.startswith(first)

    def operations(order: str) -> int:
        graph = network(tmp_path, f'{options}, order: "{order}"', listed(EDGES))
        return sum(graph.operations(layer) for layer in graph.layers)

    chosen = sum(graph.operations(layer) for layer in graph.layers)
    # A bias and its activation are layers of their own behind a sparse product.
    assert chosen - 6 * out <= min(operations("A(XW)"), operations("(AX)W"))


def test_an_archive_is_read_like_a_list(tmp_path: Path) -> None:
    matrix = dense(EDGES, 6, "sum", self_loops=False) * 2
    starts = np.concatenate([[0], np.cumsum((matrix > 0).sum(axis=1))])
    columns = np.concatenate([np.flatnonzero(row) for row in matrix])
    np.savez_compressed(
        tmp_path / "a.npz",
        indptr=starts,
        indices=columns,
        format=np.array(b"csr"),
        shape=np.array(matrix.shape),
        data=matrix[matrix > 0],
    )
    graph = network(tmp_path, "op: sparse_matmul, graph: a.npz, weights: sum", "")
    tensors = random_tensors(graph, seed=0)
    expected = (matrix + np.eye(6)) @ tensors["x"]
    assert evaluate(graph, tensors)["g"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ("0 1\n2\n", "{file}:2: an edge is two whole numbers, row and column, and a finite value"),
        ("0 1 2 3", "{file}:1: an edge is two whole numbers"),
        ("0 a", "{file}:1: an edge is two whole numbers"),
        ("0 1 nan", "{file}:1: an edge is two whole numbers"),
        ("0 6", "{file}: columns are numbered 6..6 but must lie in 0..5, the nodes"),
        ("-1 2", "{file}: rows are numbered -1..-1 but must lie in 0..5, the nodes"),
        ("0 " + "9" * 30, "must lie in 0..5, the nodes"),
        ("0 1 -2", "{file}: an edge's value is -2 but must be at least 0"),
    ],
)
def test_a_list_that_is_none(tmp_path: Path, edges: str, message: str) -> None:
    with pytest.raises(WorkloadError) as caught:
        network(tmp_path, "op: sparse_matmul, graph: edges.txt", edges)
    assert message.replace("{file}", str(tmp_path / "edges.txt")) in str(caught.value)


def pickled(path: Path) -> None:
    np.savez(path, indptr=np.array([0, 1]), indices=np.array([{}], dtype=object))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: path.write_bytes(b"no archive"), "isn't an archive of plain arrays: "),
        (pickled, "isn't an archive of plain arrays: "),
        (
            lambda path: np.savez(path, format=np.array(b"coo")),
            "is a matrix in another format than CSR; convert it with tocsr()",
        ),
        (
            lambda path: np.savez(path, indptr=np.array([0.0, 1.0])),
            "needs whole numbers 'indptr' of one axis, as CSR has them",
        ),
        (
            lambda path: np.savez(path, indptr=np.array([0, 2]), indices=np.array([1])),
            "indptr must rise from 0 to 1, the number of indices",
        ),
        (
            lambda path: np.savez(
                path, indptr=np.array([0, 1]), indices=np.array([1]), data=np.ones(2)
            ),
            "data must be a number for each of 1 indices",
        ),
    ],
)
def test_an_archive_that_is_none(
    tmp_path: Path, write: Callable[[Path], object], message: str
) -> None:
    write(tmp_path / "a.npz")
    with pytest.raises(WorkloadError) as caught:
        network(tmp_path, "op: sparse_matmul, graph: a.npz", "")
    assert f"{tmp_path / 'a.npz'}: {message}" in str(caught.value)


def test_a_batch_is_copies_of_a_graph(tmp_path: Path) -> None:
    options = "op: sparse_matmul, graph: edges.txt, copies: 2"
    graph = network(tmp_path, options, "0 1\n2 1")
    tensors = random_tensors(graph, seed=0)
    one = dense([(0, 1), (2, 1)], 3, "symmetric", self_loops=True)
    result = evaluate(graph, tensors)["g"]
    for copy in (slice(0, 3), slice(3, 6)):
        assert result[copy] == pytest.approx(one @ tensors["x"][copy], rel=1e-5)


def test_a_file_that_is_missing_or_has_changed(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match=r"nowhere\.txt: no such file$"):
        network(tmp_path, "op: sparse_matmul, graph: nowhere.txt", "")
    (tmp_path / "edges.txt").write_text("0 4")
    changed = Adjacency(
        nodes=6, file=str(tmp_path / "edges.txt"), digest="0", weights="mean", self_loops=False
    )
    with pytest.raises(WorkloadError, match="has changed since the network was read; read it"):
        changed.check()


@pytest.mark.parametrize("exponent", [0.0, 0.6, 2.0, 50.0, 1e5])
@pytest.mark.parametrize(("nodes", "edges"), [(1, 0), (5, 20), (30, 7), (200, 1500)])
def test_a_drawn_graph_has_its_edges_once_and_no_loops(
    nodes: int, edges: int, exponent: float
) -> None:
    adjacency = Adjacency(
        nodes=nodes, edges=edges, exponent=exponent, weights="sum", self_loops=False
    )
    matrix = adjacency.matrix
    rows = np.repeat(np.arange(nodes), matrix.degrees)
    pairs = set(zip(rows.tolist(), matrix.columns.tolist(), strict=True))
    assert len(pairs) == edges == matrix.degrees.sum()
    assert all(row != column for row, column in pairs)
    if not exponent and nodes > 1:
        assert matrix.degrees.max() - matrix.degrees.min() <= 1
    assert sum(len(part.rows) for part in adjacency.parts.values()) == nodes
    assert adjacency.padded <= max(2 * edges, 0) + nodes


def test_gcn_of_cora() -> None:
    # Weights of 1433 · 16 and 16 · 7, and biases, as PyTorch Geometric's two-layer GCN has them.
    graph = load_zoo("gcn_cora")
    assert graph.total_parameters == 1433 * 16 + 16 + 16 * 7 + 7 == 23_063
    assert graph.total_macs == 2708 * (1433 * 16 + 16 * 7)
    (first, *_) = (x.operator for x in graph.layers if isinstance(x.operator, NodeOrder))
    degrees = first.adjacency.matrix.degrees - 1  # without the loops
    assert degrees.sum() == 10_556
    assert degrees.max() == 165


def test_a_graph_convolution_is_proved_and_simulated(tmp_path: Path) -> None:
    options = "op: graph_conv, edges: 13, exponent: 1, out: 5, activation: relu"
    graph = network(tmp_path, options, "", "int8")
    spec = load_preset("edge_32x32")
    for across in ((), ("fusion", "residency")):
        validation = validate_program(graph, spec, seed=0, across=across)
        assert validation.passed, validation.text
    cycles = simulate(graph, spec).report.total_cycles
    assert simulate(graph, spec, engine="analytical").report.total_cycles == cycles


def test_what_show_prints_reads_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = network(tmp_path, "op: graph_conv, graph: edges.txt, out: 3", listed(EDGES), "int8")
    shown = Command(monkeypatch, capsys)("show", tmp_path / "net.yaml")
    assert shown.status == 0, shown.err
    (tmp_path / "elsewhere").mkdir()
    resolved = tmp_path / "elsewhere" / "resolved.yaml"
    resolved.write_text(shown.out)
    assert load_network(resolved) == graph
