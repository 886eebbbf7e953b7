"""`rooftile validate rtl` and `designs` on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from accel.rtl.simulators import HOW_TO_INSTALL, installed_simulators
from accel.timing import TIMINGS, Timing
from rooftile.validate import rtl
from rooftile.validate.rtl import chosen_gemms, validate_rtl
from tests.rooftile.command import Command

SMALL = (
    *("validate", "rtl", "--array", "3x4", "--dataflow", "ws", "--registers", "2"),
    *("--gemm", "6,5,7"),
)
HEADER = "design,rows,columns,dataflow,groups,M,N,K,measures,cycles\n"
ROW = "tiny_tpu,4,4,ws,1,1,4,4,product,11\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + ROW.replace("tiny_tpu", "tinytpu"), "file.csv:2: column 'design' must be one of"
         " rtl, rtl_single, scalesim, tiny_tpu, ws_systolic_array_soc, axis_systolic_array but is"
         " 'tinytpu'; did you mean 'tiny_tpu'?"),
        (HEADER + ROW.replace("ws", "rs"), "file.csv:2: column 'dataflow' must be one of OS, WS, IS"
         " but is 'rs'; did you mean 'WS'?"),
        (HEADER + ROW.replace("product", "fold"), "file.csv:2: column 'measures' must be one of"
         " product, load, stream but is 'fold'; did you mean 'load'?"),
        (HEADER + ROW.replace("4,4,ws", "0,4,ws"), "file.csv:2: column 'rows' must be a whole"
         " number of at least 1 but is '0'"),
        (HEADER.replace("groups,", ""), "file.csv:1: columns missing: groups"),
        (HEADER, "reference 'file.csv': no rows after the header"),
    ],
)  # fmt: skip
def test_a_wrong_file(rooftile: Command, text: str, message: str) -> None:
    Path("file.csv").write_text(text)
    result = rooftile("validate", "designs", "--reference", "file.csv")
    assert (result.status, result.out) == (2, "")
    assert result.err == f"error: {message}\n"


def test_a_design_of_ones_own(rooftile: Command) -> None:
    Path("mine.yaml").write_text("base: tiny_tpu\nadder: 2 cycles\n")
    Path("file.csv").write_text(HEADER + ROW)
    result = rooftile("validate", "designs", "--reference", "file.csv", "--design", "mine.yaml")
    assert result.status == 1
    assert result.out == (
        "    2  mine.yaml WS 4x4  M1 N4 K4                                      13 cycles"
        "  instead of 11\n1 rows, 0 exact\n"
    )


def test_a_wrong_design_file(rooftile: Command) -> None:
    Path("mine.yaml").write_text("adder: 2\n")
    Path("file.csv").write_text(HEADER + ROW)
    result = rooftile("validate", "designs", "--reference", "file.csv", "--design", "mine.yaml")
    assert result.status == 2
    assert result.err == (
        "error: mine.yaml:1: adder: '2': a number of cycles needs a unit, such as 8 cycles\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--array", "4*4"), "'--array': '4*4' must be ROWSxCOLUMNS, such as 16x16"),
        (("--array", "0x4"), "'--array': '0x4': each number must be from 1 to 1024 but one is 0"),
        (("--gemm", "5,4"), "'--gemm': '5,4' must be M,N,K, such as 50,40,30"),
        (("--gemm", "5,4,1e3"), "'--gemm': '5,4,1e3' must be M,N,K, such as 50,40,30"),
        (("--dataflow", "rs"), "'--dataflow': 'rs' is not one of 'ws', 'os', 'is'."),
        (("--random", "0"), "'--random': 0 is not in the range 1<=x<=100000."),
    ],
)
def test_wrong_options(rooftile: Command, arguments: tuple[str, ...], message: str) -> None:
    done = rooftile("validate", "rtl", *arguments)
    assert (done.status, done.out) == (2, "")
    assert done.err.splitlines()[-1] == f"Error: Invalid value for {message}"


def test_a_product_or_random_ones(rooftile: Command) -> None:
    done = rooftile("validate", "rtl", "--gemm", "5,4,3", "--random", "2")
    assert done.status == 2
    assert done.err.endswith("--gemm and --random exclude each other; leave one out.\n")


def test_without_a_simulator(rooftile: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    done = rooftile("validate", "rtl")
    assert (done.status, done.out) == (2, "")
    assert done.err == f"error: no Verilog simulator is installed; {HOW_TO_INSTALL}\n"
    done = rooftile("validate", "rtl", "--simulator", "verilator")
    assert done.err == f"error: Verilog simulator 'verilator': isn't installed; {HOW_TO_INSTALL}\n"


@pytest.fixture
def with_simulator() -> None:
    if not installed_simulators():
        pytest.skip(f"no Verilog simulator is installed; {HOW_TO_INSTALL}")


@pytest.mark.usefixtures("with_simulator")
def test_events_side_by_side(rooftile: Command) -> None:
    done = rooftile(*SMALL)
    assert done.status == 0
    title, header, model, measured, closing = done.out.splitlines()
    assert title == (
        "   1  WS 3x4 double  M6 N5 K7                     1 instruction        45 cycles  exact"
    )
    words = "instruction accepted first input last input first output last output array free"
    assert " ".join(header.split()) == f"{words} (cycles)"
    assert model.split()[1:] == ["model", *measured.split()[1:]]
    assert measured.split() == ["RTL", "0", "3", "38", "6", "44", "36"]
    assert closing == "1 run, 1 exact"


@pytest.mark.usefixtures("with_simulator")
def test_where_model_and_verilog_part(monkeypatch: pytest.MonkeyPatch) -> None:
    late = Timing(output_cycles=1)
    monkeypatch.setitem(TIMINGS, "rtl", late)
    gemms = chosen_gemms((6, 5, 7), array=(3, 4), dataflow="ws", registers=2)
    validation = validate_rtl(gemms, seed=0)
    assert not validation.passed
    assert validation.text.splitlines()[0].endswith(
        "differs: instruction 1, first output: cycle 6, the model says 7"
    )


def test_more_than_can_be_simulated(rooftile: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtl, "MAX_PE_CYCLES", 100)
    monkeypatch.setattr(rtl, "choose_simulator", lambda _name: "icarus")
    done = rooftile(*SMALL)
    assert (done.status, done.out) == (2, "")
    assert done.err == (
        "error: the runs take 528 PE cycles but at most 100 can be simulated in Verilog; choose a"
        " smaller product or fewer runs\n"
    )
