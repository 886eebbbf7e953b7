"""Nets in Caffe's text format, written from what is published of their architectures."""

from __future__ import annotations

LRN = "lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }"
INPUT = 'layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ {} }} }} }}\n'


def source(*sizes: int) -> str:
    """Return the input of a net, [N, C, H, W]."""
    return INPUT.format(" ".join(f"dim: {size}" for size in sizes))


def layer(name: str, kind: str, bottoms: str, more: str = "", top: str | None = None) -> str:
    """Return a layer; ``bottoms`` has spaces between."""
    read = " ".join(f'bottom: "{bottom}"' for bottom in bottoms.split())
    return f'layer {{ name: "{name}" type: "{kind}" {read} top: "{top or name}" {more} }}\n'


def convolution(name: str, bottom: str, out: int, kernel: int, more: str = "") -> str:
    """Return a convolution with a ReLU in place behind it."""
    param = f"convolution_param {{ num_output: {out} kernel_size: {kernel} {more} }}"
    return layer(name, "Convolution", bottom, param) + layer(f"{name}_relu", "ReLU", name, top=name)


def normalized(name: str, bottom: str, out: int, kernel: int, more: str = "") -> str:
    """Return a convolution, its batch normalization, scale and ReLU."""
    param = f"num_output: {out} kernel_size: {kernel} pad: {kernel // 2} bias_term: false {more}"
    return (
        layer(name, "Convolution", bottom, f"convolution_param {{ {param} }}")
        + layer(f"{name}_bn", "BatchNorm", name, "batch_norm_param { use_global_stats: true }")
        + layer(f"{name}_scale", "Scale", f"{name}_bn", "scale_param { bias_term: true }")
        + layer(f"{name}_relu", "ReLU", f"{name}_scale", top=f"{name}_out")
    )


def pool(name: str, bottom: str, kernel: int, stride: int, more: str = "pool: MAX") -> str:
    """Return a pool."""
    param = f"pooling_param {{ kernel_size: {kernel} stride: {stride} {more} }}"
    return layer(name, "Pooling", bottom, param)


def product(name: str, bottom: str, out: int) -> str:
    """Return an inner product."""
    return layer(name, "InnerProduct", bottom, f"inner_product_param {{ num_output: {out} }}")


def alexnet(group: int, widths: tuple[int, ...], *, lrn: bool) -> str:
    """Return AlexNet with some number of groups and of channels, and with LRN or without."""
    one, two, three, four, five = widths
    size, pad = (227, 0) if lrn else (224, 2)
    grouped = f"group: {group}"
    text = source(1, 3, size, size)
    text += convolution("conv1", "data", one, 11, f"stride: 4 pad: {pad}")
    text += layer("norm1", "LRN", "conv1", LRN) * lrn
    text += pool("pool1", "norm1" if lrn else "conv1", 3, 2)
    text += convolution("conv2", "pool1", two, 5, f"pad: 2 {grouped}")
    text += layer("norm2", "LRN", "conv2", LRN) * lrn
    text += pool("pool2", "norm2" if lrn else "conv2", 3, 2)
    text += convolution("conv3", "pool2", three, 3, "pad: 1")
    text += convolution("conv4", "conv3", four, 3, f"pad: 1 {grouped}")
    text += convolution("conv5", "conv4", five, 3, f"pad: 1 {grouped}")
    text += pool("pool5", "conv5", 3, 2)
    for name, bottom in (("fc6", "pool5"), ("fc7", "fc6")):
        text += product(name, bottom, 4096) + layer(f"{name}_relu", "ReLU", name, top=name)
        text += layer(f"{name}_drop", "Dropout", name, top=name)
    return f'name: "AlexNet"\n{text}{product("fc8", "fc7", 1000)}{layer("prob", "Softmax", "fc8")}'


#: C. Szegedy et al., CVPR 2015, table 1: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool.
INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def googlenet() -> str:
    """Return GoogLeNet with batch normalizations and with 3x3 in place of 5x5 windows."""
    text = source(1, 3, 224, 224) + normalized("conv1", "data", 64, 7, "stride: 2")
    text += pool("pool1", "conv1_out", 3, 2) + normalized("conv2", "pool1", 64, 1)
    text += normalized("conv3", "conv2_out", 192, 3) + pool("pool2", "conv3_out", 3, 2)
    bottom = "pool2"
    for name, (out, reduce3, out3, reduce5, out5, out_pool) in INCEPTIONS.items():
        text += normalized(f"{name}/1x1", bottom, out, 1)
        text += normalized(f"{name}/3x3_reduce", bottom, reduce3, 1)
        text += normalized(f"{name}/3x3", f"{name}/3x3_reduce_out", out3, 3)
        text += normalized(f"{name}/5x5_reduce", bottom, reduce5, 1)
        text += normalized(f"{name}/5x5", f"{name}/5x5_reduce_out", out5, 3)
        text += pool(f"{name}/pool", bottom, 3, 1, "pool: MAX pad: 1")
        text += normalized(f"{name}/pool_proj", f"{name}/pool", out_pool, 1)
        parts = ("1x1", "3x3", "5x5", "pool_proj")
        text += layer(name, "Concat", " ".join(f"{name}/{part}_out" for part in parts))
        bottom = name
        if name in ("3b", "4e"):
            bottom = f"pool{name}"
            text += pool(bottom, name, 3 if name == "3b" else 2, 2)
    text += layer("pool5", "Pooling", bottom, "pooling_param { pool: AVE global_pooling: true }")
    text += layer("drop", "Dropout", "pool5", "dropout_param { dropout_ratio: 0.4 }", "pool5")
    return f'name: "GoogLeNet"\n{text}{product("fc", "pool5", 1000)}'
