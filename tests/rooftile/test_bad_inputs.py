"""What can't be run: one clear message, exit status 2, nothing half-written."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from tests.rooftile.command import Command
from tests.rooftile.test_cli import REFERENCE, TINY
from workloads.loaders.yaml import zoo_names

HUGE_BYTES = 100 * 1024 * 1024
ZOO = ", ".join(zoo_names())
PRESETS = (
    "edge_32x32, edge_ddr4, eyeriss_v1_like, gemmini_default, mesh_64core, npu_4core, ref32,"
    " ref32mp, tpu_v1, tpu_v4i_like"
)


@pytest.fixture(autouse=True)
def files(rooftile: Command) -> None:
    """Put bad files of all kinds into the folder of the command."""
    assert rooftile is not None, "the folder is the command's"
    Path("tiny.yaml").write_text(TINY)
    Path("folder.yaml").mkdir()
    Path("binary.yaml").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")
    Path("latin.yaml").write_bytes("name: café\n".encode("latin-1"))
    Path("empty.yaml").write_text("")
    with Path("huge.yaml").open("wb") as stream:
        stream.truncate(HUGE_BYTES)
    Path("small.yaml").write_text(
        "base: edge_32x32\nname: small\nscratchpads: {psum: {capacity: 3B}}\n"
    )
    header = REFERENCE.read_text().splitlines()
    Path("columns.csv").write_text("network,layer\na,b\n")
    Path("rows.csv").write_text(header[0] + "\n")
    Path("word.csv").write_text("\n".join([header[0], header[1].replace(",16,16,os", ",x,16,os")]))
    Path("zero.csv").write_text("\n".join([header[0], header[1].replace(",64,1,196", ",64,0,196")]))
    Path("figure.csv").write_text("\n".join([header[0], header[1].replace(",2808,", ",many,")]))
    Path("short.csv").write_text("\n".join([header[0], "googlenet,x,conv,14"]))
    Path("long.csv").write_text("\n".join([header[0], header[1] + ",1"]))
    Path("kind.csv").write_text("\n".join([header[0], header[1].replace(",conv,", ",pool,")]))
    Path("flow.csv").write_text("\n".join([header[0], header[1].replace(",os,", ",rs,")]))
    Path("taken").mkdir()
    Path("file").write_text("")


RUN_TINY = ("run", "tiny.yaml", "--hw", "edge_32x32")
SCALESIM = ("validate", "scalesim", "--reference")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("run", "resnet51", "--hw", "tpu_v1"),
            f"network 'resnet51': neither a file nor one of {ZOO}; did you mean 'resnet50'?",
        ),
        (
            ("run", "resnet18", "--hw", "tpu1"),
            f"hardware 'tpu1': neither a file nor one of {PRESETS}; did you mean 'tpu_v1'?",
        ),
        (
            ("show", "resnet5"),
            "'resnet5': neither a file, a network of the zoo nor a hardware preset; did you mean"
            " 'resnet50'?",
        ),
        (("run", "none.yaml", "--hw", "tpu_v1"), "none.yaml: no such file"),
        (("check", "folder.yaml"), "folder.yaml: is a folder; give a YAML file"),
        (("run", "folder.yaml", "--hw", "tpu_v1"), "folder.yaml: is a folder; give a YAML file"),
        (("check", "binary.yaml"), "binary.yaml:1: isn't UTF-8 text; give a YAML file"),
        (("check", "latin.yaml"), "latin.yaml:1: isn't UTF-8 text; give a YAML file"),
        (("check", "empty.yaml"), "empty.yaml:1: the file is empty"),
        (
            ("check", "huge.yaml"),
            f"huge.yaml: has {HUGE_BYTES} bytes but at most 1000000 are read",
        ),
        (
            (*RUN_TINY, "-o", "taken"),
            "output folder 'taken': exists already; choose another name or remove it",
        ),
        (
            (*RUN_TINY, "-o", "file"),
            "output folder 'file': exists already; choose another name or remove it",
        ),
        (
            (*RUN_TINY, "-o", "file/out"),
            "output folder 'file/out': its parent '{here}/file' isn't a folder; make it first",
        ),
        (
            (*RUN_TINY, "--dtype", "bf16"),
            "machine 'edge_32x32': its array multiplies int8, not bf16; choose one with --dtype",
        ),
        (
            (*RUN_TINY, "--dtype", "int7"),
            "dtype 'int7': must be one of int8, fp16, bf16, fp32, fp8_e4m3, fp8_e5m2, tf32;"
            " did you mean 'int8'?",
        ),
        (
            ("run", "tiny.yaml", "--hw", "small.yaml"),
            "layer 'conv', scratchpad 'psum': the smallest tile (G 1, B 1, OY 1, OX 1, OC 1, FY 1,"
            " FX 1, IC 1) needs 4 bytes with its buffers but 3 are there; enlarge 'psum'",
        ),
        (
            ("disasm", "tiny.yaml", "--hw", "tpu_v1", "--layer", "cnv"),
            "layer 'cnv': network 'tiny' has no such layer; did you mean 'conv'?",
        ),
        (
            ("explain", "taken", "--layer", "conv"),
            "folder 'taken': has no readable summary.json; give the folder of a finished run"
            " (`rooftile run NETWORK --hw SPEC -o FOLDER` makes one)",
        ),
        (
            (*SCALESIM, "columns.csv"),
            "columns.csv:1: columns missing: kind, M, N, K, array_rows, array_cols, dataflow,"
            " array_cycles, mapping_efficiency_pct, sram_input_reads, sram_weight_reads,"
            " sram_output_writes",
        ),
        ((*SCALESIM, "rows.csv"), "reference 'rows.csv': no rows after the header"),
        (
            (*SCALESIM, "word.csv"),
            "word.csv:2: column 'array_rows' must be a whole number of at least 1 but is 'x'",
        ),
        (
            (*SCALESIM, "zero.csv"),
            "zero.csv:2: column 'stride' must be a whole number of at least 1 but is '0'",
        ),
        (
            (*SCALESIM, "figure.csv"),
            "figure.csv:2: column 'array_cycles' must be a number but is 'many'",
        ),
        ((*SCALESIM, "short.csv"), "short.csv:2: must have 22 columns, as many as the header"),
        (
            (*SCALESIM, "long.csv"),
            "long.csv:2: must have 22 columns, as many as the header",
        ),
        ((*SCALESIM, "kind.csv"), "kind.csv:2: kind 'pool' must be conv or gemm"),
        ((*SCALESIM, "flow.csv"), "flow.csv:2: dataflow 'rs' must be os, ws or is"),
        (
            (*SCALESIM, "none.csv"),
            "reference 'none.csv': can't be read (no such file or directory)",
        ),
        ((*SCALESIM, "binary.yaml"), "reference 'binary.yaml': isn't UTF-8 text"),
    ],
)
def test_one_clear_message(rooftile: Command, arguments: tuple[str, ...], message: str) -> None:
    before = sorted(Path().rglob("*"))
    done = rooftile(*arguments)
    assert done.err == f"error: {message}\n".replace("{here}", str(Path.cwd()))
    assert (done.status, done.out) == (2, "")
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "tiny.yaml"),
        ("run", "tiny.yaml", "--hw", "tpu_v1", "--batch", "0"),
        ("list", "network"),
        ("rnu", "tiny.yaml"),
        ("explain", "taken"),
    ],
)
def test_wrong_usage_shows_the_usage(rooftile: Command, arguments: tuple[str, ...]) -> None:
    done = rooftile(*arguments)
    assert done.status == 2
    assert done.err.startswith("Usage: ")
    assert "Traceback" not in done.err


def test_a_changed_input_of_a_run_is_noticed(rooftile: Command) -> None:
    rooftile(*RUN_TINY, "-o", "out", "--no-plots")
    hardware = Path("out/hardware.yaml")
    hardware.write_text(hardware.read_text().replace("12.8GB/s", "1GB/s"))
    done = rooftile("explain", "out", "--layer", "conv")
    assert done.status == 2
    assert "its inputs have been changed since the run; run it again into a new folder" in done.err


def test_another_schema_version_is_refused(rooftile: Command) -> None:
    rooftile(*RUN_TINY, "-o", "out", "--no-plots")
    path = Path("out/summary.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 99}))
    done = rooftile("explain", "out", "--layer", "conv")
    assert done.err == (
        "error: folder 'out': its summary has schema version 99 but this version reads 4; run it"
        " again\n"
    )


def test_a_read_only_parent_is_noticed_before_the_run(
    rooftile: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    done = rooftile(*RUN_TINY, "-o", "out")
    assert done.err == (
        f"error: output folder 'out': no permission to write in '{Path.cwd()}'; choose another"
        " place\n"
    )


def test_a_full_disk_leaves_nothing_behind(
    rooftile: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = sorted(Path().iterdir())
    monkeypatch.setattr(Path, "write_text", full)
    done = rooftile(*RUN_TINY, "-o", "out")
    assert done.err == (
        "error: output folder 'out': can't be written (no space left on device); nothing was left"
        " behind\n"
    )
    assert done.status == 2
    assert sorted(Path().iterdir()) == before


def test_a_memory_that_is_too_small_is_a_warning(rooftile: Command) -> None:
    done = rooftile("run", "gpt3_175b_decode", "--hw", "tpu_v1")
    assert done.status == 0
    assert "warning: memory 'weights': the tensors need 163 GiB but 8 GiB are there" in done.out
