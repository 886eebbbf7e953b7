"""Caffe's files on the command line: what their page tells a user to do, done as it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import workloads
from tests.rooftile.command import Command
from workloads.loaders.files import load_file
from workloads.loaders.yaml import load_zoo

PAGE = (Path(workloads.__file__).parent / "loaders" / "CAFFE.md").read_text()


def block(language: str) -> str:
    (text,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(text)


def test_the_page_does_what_it_says(rooftile: Command) -> None:
    Path("lenet.prototxt").write_text(block("prototxt"))
    counts, run = [shlex.split(line)[2:] for line in block("console").splitlines()]
    done = rooftile(*counts)
    assert (done.status, done.out, done.err) == (0, block("text"), "")
    done = rooftile(*run, "-o", "out", "--no-plots")
    assert (done.status, done.err) == (0, "")
    assert rooftile("explain", "out", "--layer", "ip1").status == 0
    assert rooftile("check", "lenet.prototxt").out == (
        "lenet.prototxt: valid network 'LeNet', 8 layers, 147 M MACs, 431 k parameters\n"
    )


def test_the_pages_net_is_the_zoos(rooftile: Command) -> None:
    assert rooftile is not None, "the folder is the command's"
    Path("lenet.prototxt").write_text(block("prototxt"))
    net, zoo = load_file(Path("lenet.prototxt")), load_zoo("lenet", batch=64)
    assert net.batch == 64
    assert net.total_parameters == zoo.total_parameters
    assert net.total_macs == zoo.total_macs


def test_its_programs_compute_what_it_means(rooftile: Command) -> None:
    """With an LRN: every layer's program on data, against NumPy."""
    before, conv2, after = (
        block("prototxt").replace("dim: 64", "dim: 1").partition('layer {\n  name: "conv2"')
    )
    norm = 'layer { name: "norm" type: "LRN" bottom: "pool1" top: "norm" }\n'
    after = after.replace('bottom: "pool1"', 'bottom: "norm"')
    Path("net.prototxt").write_text(before + norm + conv2 + after)
    done = rooftile(
        *("validate", "program", "net.prototxt", "--hw", "tpu_v4i_like", "--dtype", "bf16")
    )
    assert (done.status, done.err) == (0, "")
    assert "norm.power" in done.out


def test_errors_have_file_and_line(rooftile: Command) -> None:
    Path("net.prototxt").write_text('input: "a"\ninput_shape { dim: 1 dim: 2 }\n\nlayer { x }')
    done = rooftile("run", "net.prototxt", "--hw", "tpu_v1")
    assert (done.status, done.err) == (2, "error: net.prototxt:4: 'x' needs ':' or '{' behind it\n")
