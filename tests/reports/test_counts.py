"""Counts of networks as people and programs read them."""

from __future__ import annotations

from reports.counts import counts_record, counts_text, zoo_text
from workloads.loaders.yaml import load_zoo, parse_network, zoo_names

TWO = """
name: two
inputs: {image: [batch, 4, 4, 3]}
layers:
  - {name: conv, op: conv, out: 8, kernel: 3, padding: 1, bias: true}
  - {name: flat, op: reshape, shape: [batch, -1]}
  - {name: fc, op: linear, out: 10, bias: false}
"""


def test_a_table_has_every_layer_and_the_total() -> None:
    assert counts_text(parse_network(TWO, "two.yaml", batch=2)).splitlines() == [
        "two, batch 2",
        "layer  operator  output   parameters   MACs",
        "conv   conv      2×4×4×8         224  6,912",
        "flat   reshape   2×128             0      0",
        "fc     linear    2×10          1,280  2,560",
        "total                          1,504  9,472",
    ]


def test_a_record_has_totals_and_layers() -> None:
    record = counts_record(load_zoo("resnet18"))
    assert (record["macs"], record["parameters"]) == (1_814_073_344, 11_689_512)
    assert sum(layer["macs"] for layer in record["layers"]) == record["macs"]
    assert sum(layer["parameters"] for layer in record["layers"]) == record["parameters"]
    assert record["layers"][-1] == {
        "name": "fc",
        "operator": "linear",
        "output_shape": [1, 1000],
        "dtype": "int8",
        "macs": 512_000,
        "parameters": 513_000,
        "parameter_bytes": 512_000 + 4 * 1000,
    }
    assert sum(layer["parameter_bytes"] for layer in record["layers"]) == record["parameter_bytes"]


def test_the_zoo_is_listed_with_its_counts() -> None:
    head, *rows = zoo_text().splitlines()
    assert head.split() == ["network", "batch", "parameters", "MACs"]
    assert [row.split()[0] for row in rows] == zoo_names()
    assert ["resnet18", "1", "11,689,512", "1,814,073,344"] in [row.split() for row in rows]
