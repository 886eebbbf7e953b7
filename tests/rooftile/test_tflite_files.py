"""TFLite files on the command line, as ``workloads/loaders/TFLITE.md`` shows them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from tests.rooftile.command import Command
from tests.workloads.test_tflite import mobilenet
from tests.workloads.tflite_models import Net

PAGE = Path(__file__).parents[2] / "workloads" / "loaders" / "TFLITE.md"


def test_the_page_shows_what_the_command_prints(rooftile: Command) -> None:
    Path("mobilenet_v1_quant.tflite").write_bytes(mobilenet(quantized=True).written())
    text = PAGE.read_text()
    commands = re.findall(r"^\$ rooftile (counts .*)$", text, re.MULTILINE)
    (shown,) = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    done = rooftile(*commands[0].split())
    assert done.status == 0, done.err
    assert done.out.endswith(shown)


def test_programs_of_a_file_compute_what_numpy_does(rooftile: Command) -> None:
    net = Net({"x": (1, 6, 6, 4)}, kinds={"x": "INT8"})
    settings = {"StrideW": 2, "StrideH": 2, "FusedActivationFunction": 1}
    net.add(
        "CONV_2D", ["x", np.ones((8, 3, 3, 4), np.int8)], "c", None, "Conv2DOptions", **settings
    )
    net.add("FULLY_CONNECTED", ["c", np.ones((3, 72), np.int8)], "y", (1, 3))
    Path("net.tflite").write_bytes(net.written())
    done = rooftile("validate", "program", "net.tflite", "--hw", "edge_32x32")
    assert done.status == 0, done.err
    assert "agree with NumPy" in done.out.splitlines()[-1]
