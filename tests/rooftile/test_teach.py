"""`rooftile teach`: a page as a whole, or one clear message and nothing."""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path

import pytest

from tests.rooftile.command import Command

SMALL = ("--array", "4x4", "--gemm", "6,4,4", "--dataflow", "ws")


def test_it_writes_one_page(rooftile: Command) -> None:
    done = rooftile("teach", *SMALL, "-o", "page.html")
    assert (done.status, done.err) == (0, "")
    assert done.out == "17 cycles, 35% of PEs busy on average\npage: page.html\n"
    assert [path.name for path in Path().iterdir()] == ["page.html"]
    text = Path("page.html").read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "<h1>6×4 · 4×4 on a 4×4 weight-stationary array</h1>" in text
    assert stat.S_IMODE(Path("page.html").stat().st_mode) == 0o644


@pytest.mark.parametrize(
    ("options", "title"),
    [
        (("--array", "16X2", "--gemm", "9,1,3", "--dataflow", "OS"), "9×3 · 3×1 on a 16×2 output"),
        (("--array", "1x1", "--gemm", "1,1,1", "--dataflow", "Is"), "1×1 · 1×1 on a 1×1 input"),
    ],
)
def test_other_products(rooftile: Command, options: tuple[str, ...], title: str) -> None:
    assert rooftile("teach", *options, "-o", "page.html").status == 0
    assert f"<h1>{title}-stationary array</h1>" in Path("page.html").read_text(encoding="utf-8")


def test_registers_and_seed_change_the_page_and_the_same_seed_does_not(rooftile: Command) -> None:
    pages = []
    for options in ((), ("--seed", "0"), ("--seed", "1"), ("--registers", "1")):
        rooftile("teach", *SMALL, *options, "-o", "page.html")
        pages.append(Path("page.html").read_bytes())
    assert pages[0] == pages[1]
    assert len(set(pages)) == 3


def test_a_file_is_replaced_through_its_link(rooftile: Command) -> None:
    Path("real.html").write_text("old")
    Path("link.html").symlink_to("real.html")
    assert rooftile("teach", *SMALL, "-o", "link.html").status == 0
    assert Path("link.html").is_symlink()
    assert Path("real.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--array", "4*4"), "'--array': '4*4' must be ROWSxCOLUMNS, such as 4x4"),
        (("--array", "17x4"), "'--array': '17x4': each number must be from 1 to 16 but one is 17"),
        (("--gemm", "6,4"), "'--gemm': '6,4' must be M,N,K, such as 6,4,4"),
        (("--gemm", "6,-4,4"), "'--gemm': '6,-4,4' must be M,N,K, such as 6,4,4"),
        (
            ("--gemm", "65,1,1"),
            "'--gemm': '65,1,1': each number must be from 1 to 64 but one is 65",
        ),
        (("--gemm", "6,4,0"), "'--gemm': '6,4,0': each number must be from 1 to 64 but one is 0"),
        (("--dataflow", "rs"), "'--dataflow': 'rs' is not one of 'ws', 'os', 'is'."),
        (("--registers", "3"), "'--registers': 3 is not in the range 1<=x<=2."),
        (("--seed", "-1"), "'--seed': -1 is not in the range x>=0."),
    ],
)
def test_wrong_options(rooftile: Command, options: tuple[str, ...], message: str) -> None:
    done = rooftile("teach", *SMALL, *options, "-o", "page.html")
    assert (done.status, done.out) == (2, "")
    assert done.err.splitlines()[-1] == f"Error: Invalid value for {message}"
    assert not list(Path().iterdir())


@pytest.mark.parametrize("missing", ["--array", "--gemm", "--dataflow", "--output"])
def test_no_option_of_these_may_be_missing(rooftile: Command, missing: str) -> None:
    given = dict(zip(("--array", "--gemm", "--dataflow"), SMALL[1::2], strict=True))
    given["--output"] = "page.html"
    del given[missing]
    done = rooftile("teach", *(word for pair in given.items() for word in pair))
    assert done.status == 2
    assert re.search(rf"^Error: Missing option '.*{missing}'", done.err, re.MULTILINE)
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--array", "2x2", "--gemm", "64,64,64", "-o", "page.html"),
            "the product takes 65,541 cycles but a page shows at most 3,000; choose a smaller"
            " product or a larger array",
        ),
        (("-o", "folder"), "output 'folder': is a folder; give the name of a file"),
        (("-o", ""), "output '.': is a folder; give the name of a file"),
        (("-o", "pipe"), "output 'pipe': isn't a regular file; choose another name"),
        (
            ("-o", "none/page.html"),
            "output 'none/page.html': its parent '{here}/none' isn't a folder; make it first",
        ),
        (
            ("-o", "file/page.html"),
            "output 'file/page.html': its parent '{here}/file' isn't a folder; make it first",
        ),
        (
            ("-o", "x" * 300),
            f"output '{'x' * 300}': can't be written (file name too long); nothing was left behind",
        ),
    ],
)
def test_one_clear_message(rooftile: Command, options: tuple[str, ...], message: str) -> None:
    Path("folder").mkdir()
    Path("file").write_text("")
    os.mkfifo("pipe")
    before = sorted(Path().rglob("*"))
    done = rooftile("teach", *SMALL, *options)
    assert done.err == f"error: {message}\n".replace("{here}", str(Path.cwd()))
    assert (done.status, done.out) == (2, "")
    assert sorted(Path().rglob("*")) == before


def test_a_read_only_folder_is_noticed_before_the_run(
    rooftile: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    done = rooftile("teach", *SMALL, "-o", "page.html")
    assert done.err == (
        f"error: output 'page.html': no permission to write in '{Path.cwd()}'; choose another"
        " place\n"
    )
    assert done.status == 2


def test_a_full_disk_leaves_the_old_page_as_it_was(
    rooftile: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    Path("page.html").touch()
    monkeypatch.setattr(Path, "replace", full)
    done = rooftile("teach", *SMALL, "-o", "page.html")
    assert done.err == (
        "error: output 'page.html': can't be written (no space left on device); nothing was left"
        " behind\n"
    )
    assert done.status == 2
    assert [path.name for path in Path().iterdir()] == ["page.html"]
    assert Path("page.html").read_text() == ""


def test_the_largest_page_is_written(rooftile: Command) -> None:
    done = rooftile(
        "teach", "--array", "16x16", "--gemm", "64,64,64", "--dataflow", "os", "-o", "page.html"
    )
    assert done.status == 0
    assert Path("page.html").stat().st_size < 10_000_000
