"""The comparison of mappings with those of another mapper."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from foundation.errors import RooftileError
from mapper.bounds import bounds
from mapper.kernel import compulsory_bytes
from mapper.operators import kernels_of
from mapper.search.find import SearchOptions, find_mapping
from rooftile.sources import find_hardware
from rooftile.validate.mapping import validate_mapping
from rooftile.validate.shapes import layer_of
from tests.rooftile.command import Command

REFERENCE = Path(__file__).parents[1] / "published" / "zigzag_best.csv"
HEAD = "accelerator,layer,shape,latency_cycles,dram_rd_bytes,dram_wr_bytes,dram_compulsory_bytes\n"
CONVOLUTION = "K64 C64 OY56 OX56 FY3 FX3 s1 p1"


def test_no_layer_is_worse_than_zigzags_best(rooftile: Command) -> None:
    done = rooftile("validate", "mapping", "--reference", REFERENCE)
    assert done.status == 0, done.out
    assert done.out.splitlines()[-1] == "6 layers, 6 no worse than the reference's best"
    assert "ffn_gemm on ref32: M512 K768 N3072" in done.out
    assert "as few bytes       6,684,672     1,179,648" in done.out
    energies = re.findall(r"^  (reference|least energy) .* ([\d.]+)$", done.out, re.M)
    for (_, theirs), (_, ours) in zip(energies[::2], energies[1::2], strict=True):
        # All but the registers, which are read for every MAC and not once while a weight stays.
        assert float(theirs) < float(ours) < 1.03 * float(theirs)


@pytest.mark.parametrize("row", ["112900,237568,200703,438272", "112895,237568,200704,438272"])
def test_a_layer_fails_by_one_byte_or_cycle(tmp_path: Path, row: str) -> None:
    reference = tmp_path / "best.csv"
    reference.write_text(f"{HEAD}ref32,conv,{CONVOLUTION},{row}\n", encoding="utf-8")
    validation = validate_mapping(reference)
    assert not validation.passed
    assert "WORSE" in validation.text
    assert validation.text.endswith("1 layers, 0 no worse than the reference's best")


@pytest.mark.parametrize(
    ("shape", "moved"),
    [
        (CONVOLUTION, 64 * 56 * 56 * 2 + 9 * 64 * 64),
        ("M512 K768 N3072 (as somebody calls it)", 512 * 768 + 768 * 3072 + 512 * 3072),
        ("B12 M512 K64 N512", 12 * (2 * 512 * 64 + 512 * 512)),
        ("K8 C4 OY4 OX4 FY3 FX3 s2 p1", 4 * 7 * 7 + 9 * 32 + 8 * 16),
        ("K8 C4 OY4 OX4 FY3 FX3 s2 p1", 4 * 8 * 8 + 9 * 32 + 8 * 16),
        ("K8 C4 OY4 OX4 FY1 FX1 s2 p0 B3", 3 * 4 * 16 + 32 + 3 * 8 * 16),
    ],
)
def test_shapes_become_layers_of_their_compulsory_bytes(shape: str, moved: int) -> None:
    graph = layer_of("layer", shape, moved, "file:2")
    (kernel,) = kernels_of(graph, graph.layers[0])
    assert compulsory_bytes(kernel) == moved


@pytest.mark.parametrize(
    "shape",
    ["", "M1 K2", "M1 K2 N0", "M1 K2 N3 Q4", "M1 M2 K2 N3", "K8 C4 OY4 OX4 FY3 FX3 s2", "M1K2N3"],
)
def test_a_shape_that_says_too_little_or_too_much_is_refused(shape: str) -> None:
    message = f"^file:2: shape '{shape}' must have sizes of at least 1 for M, K, N, or for K, C, OY"
    with pytest.raises(RooftileError, match=message):
        layer_of("layer", shape, 1, "file:2")


@pytest.mark.parametrize(
    ("shape", "times"),
    [
        ("M512 K3072 N768", 1.45),  # psums wait: with K innermost it is 2.6 times
        ("M1024 K1024 N1024", 1.5),
        ("K64 C64 OY224 OX224 FY3 FX3 s1 p1", 1.1),  # all weights stay while windows share a block
        ("K256 C256 OY14 OX14 FY3 FX3 s1 p1", 1.0),
        ("M197 K768 N2304", 1.0),
    ],
)
def test_traffic_is_near_its_lower_bound_on_other_layers(shape: str, times: float) -> None:
    graph, spec = layer_of("layer", shape, 1, "file:2"), find_hardware("ref32")
    (kernel,) = kernels_of(graph, graph.layers[0])
    found = find_mapping(kernel, spec, "layer", SearchOptions(objective="dram")).best()[1]
    assert found.dram_bytes <= times * bounds(kernel, spec).traffic_bytes
