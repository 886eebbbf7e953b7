"""No mapping of another mapper's space moves fewer bytes than the best that is found here."""

from __future__ import annotations

import pytest

from accel.spec_file import load_preset
from foundation.dtype import DTYPES
from mapper.kernel import Kernel
from mapper.operators import kernels_of
from mapper.search.find import SearchOptions, find_mapping
from tests.mapper.uneven import Layer, fewest_bytes
from workloads.build import GraphBuilder
from workloads.layers import Convolution, MatMul, Window

LAYERS = {
    "vgg_224": Layer(K=64, C=64, OY=224, OX=224, F=3),
    "vgg_112": Layer(K=128, C=128, OY=112, OX=112, F=3),
    "vgg_56": Layer(K=256, C=256, OY=56, OX=56, F=3),
    "resnet_down": Layer(K=128, C=64, OY=28, OX=28, F=3, stride=2),
    "five_by_five": Layer(K=192, C=64, OY=64, OX=64, F=5, stride=2),
    "pointwise": Layer(K=384, C=64, OY=56, OX=56),
    "bert_ffn": Layer(K=768, C=3072, OY=512),
    "attention": Layer(K=512, C=64, OY=512, G=12),
    "square": Layer(K=1024, C=1024, OY=1024),
}


def kernel_of(layer: Layer) -> Kernel:
    builder, dtype = GraphBuilder("one", 1), DTYPES["int8"]
    if layer.OX == 1:
        left = builder.add_input("left", (layer.G, layer.OY, layer.C), dtype)
        right = builder.add_input("right", (layer.G, layer.C, layer.K), dtype)
        builder.add_layer("one", MatMul(equation="gmk,gkn->gmn"), [left, right])
    else:
        extent, before = layer.OY * layer.stride, (layer.F - 1) // 2
        after = max(0, layer.F - layer.stride - before)
        window = Window(kernel=layer.F, stride=layer.stride, pad_before=before, pad_after=after)
        image = builder.add_input("image", (1, extent, extent, layer.C), dtype)
        builder.add_layer("one", Convolution(out_channels=layer.K, windows=(window,) * 2), [image])
    graph = builder.build()
    (kernel,) = kernels_of(graph, graph.layers[0])
    assert kernel.output.tensor_bytes == layer.bytes_of("O", layer.sizes)
    return kernel


@pytest.mark.parametrize("name", LAYERS)
def test_uneven_mappings_move_no_fewer_bytes(name: str) -> None:
    options = SearchOptions(objective="dram")
    found = find_mapping(kernel_of(LAYERS[name]), load_preset("ref32"), name, options)
    others = min(fewest_bytes(LAYERS[name], steps=400, seed=seed) for seed in range(2))
    assert found.chosen[0].cost.dram_bytes <= others
