from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pytest

from foundation.document import dotted, parse, read
from foundation.errors import SpecError, WorkloadError


def data(text: str) -> Any:
    return parse(text, "a.yaml", SpecError).data


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e6", 1e6),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("-2.5E-3", -0.0025),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("-12", -12),
        ("+12", 12),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("yes", "yes"),
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("tRUE", "tRUE"),
        ("null", None),
        ("~", None),
        ("", None),
        ("none", "none"),
        ("'1'", "1"),
        ('"true"', "true"),
        ("|\n  1", "1"),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("1e999", math.inf),
        ("=", "="),
        ("<<", "<<"),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    result = data(f"key: {text}")["key"]
    assert result == value
    assert type(result) is type(value)


def test_nan_is_a_float() -> None:
    assert math.isnan(data("key: .nan")["key"])


def test_keys_are_text() -> None:
    assert data("{1: a, on: b, null: c}") == {"1": "a", "on": "b", "null": "c"}


def test_every_key_and_item_has_its_line() -> None:
    text = "# comment\na: 1\nb:\n  - x\n  - c: 2\n    d: [3,\n      4]\n"
    result = parse(text, "a.yaml", SpecError)
    assert result.lines == {
        (): 2,
        ("a",): 2,
        ("b",): 3,
        ("b", 0): 4,
        ("b", 1): 5,
        ("b", 1, "c"): 5,
        ("b", 1, "d"): 6,
        ("b", 1, "d", 0): 6,
        ("b", 1, "d", 1): 7,
    }
    assert result.line(("b", 1, "nothing", "here")) == 5
    assert result.at(("b", 1, "d", 1)) == 4


def test_aliases_repeat_the_anchor_and_have_the_line_of_the_alias() -> None:
    result = parse("a: &x {k: 1}\nb: *x\n", "a.yaml", SpecError)
    assert result.data == {"a": {"k": 1}, "b": {"k": 1}}
    assert result.line(("b", "k")) == 2


def test_failure_names_file_line_and_path() -> None:
    result = parse("layers:\n  - a: 1\n", "a.yaml", WorkloadError)
    error = result.failure(("layers", 0, "a"), "is wrong")
    assert type(error) is WorkloadError
    assert str(error) == "a.yaml:2: layers[0].a: is wrong"
    assert str(result.failure((), "is wrong")) == "a.yaml:1: is wrong"


def test_dotted() -> None:
    assert dotted(("layers", 3, "stride", 0)) == "layers[3].stride[0]"


def bomb() -> str:
    lines = ["x: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    for level, name in enumerate("bcdefghi"):
        lines.append(f"y{level}: &{name} [{', '.join(['*' + chr(ord(name) - 1)] * 9)}]")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.yaml:1: the file is empty"),
        ("# nothing\n", "a.yaml:1: the file is empty"),
        ("a: 1\nb: 2\na: 3", "a.yaml:3: key 'a' is given twice (first on line 1); remove one"),
        ("a: 1\n---\nb: 2", "a.yaml:2: a second document starts here but a file holds 1"),
        ("a:\n\t- 1", "a.yaml:2: a tab can't indent YAML; use spaces"),
        (
            "a: 1\nb: [1",
            "a.yaml:2: isn't valid YAML: while parsing a flow sequence,"
            " did not find expected ',' or ']'",
        ),
        (
            "a: b: c",
            "a.yaml:1: isn't valid YAML: mapping values are not allowed in this context",
        ),
        ("a: *b", "a.yaml:1: alias '*b' has no anchor before it"),
        ("a: 1\nb: &b [*b]", "a.yaml:2: alias '*b' stands inside its own anchor"),
        ("a: !!str 3", "a.yaml:1: tag 'tag:yaml.org,2002:str' isn't allowed; remove it"),
        ("a: !x 3", "a.yaml:1: tag '!x' isn't allowed; remove it"),
        ("? [1]\n: 2", "a.yaml:1: a key must be a single word or number"),
        ("a: &x 1\n*x : 2", "a.yaml:2: a key must be a single word or number"),
        (
            "\na: \x00",
            "a.yaml:2: isn't text: contains the character U+0000; give a YAML file",
        ),
        ("[" * 1000, "a.yaml:1: nesting is deeper than the 50 levels allowed"),
        (
            f"a: {'9' * 41}",
            "a.yaml:1: a number has 41 digits but at most 40 are read",
        ),
        (bomb(), "a.yaml:6: the file has more than 100000 values, repeats by aliases included"),
        (
            "a: &x 1\nb: [" + ", ".join(["*x"] * 101) + "]",
            "a.yaml:2: the file has more than 100 aliases",
        ),
    ],
)
def test_refused_text(text: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse(text, "a.yaml", SpecError)
    assert str(caught.value) == message


def test_nesting_up_to_the_limit_is_read() -> None:
    assert data("[" * 50 + "]" * 50)


def test_read_returns_the_file_without_its_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfkey: 1\r\n")
    result = read(path, SpecError)
    assert result.data == {"key": 1}
    assert result.name == str(path)


@pytest.mark.parametrize("error", [SpecError, WorkloadError])
def test_missing_file(tmp_path: Path, error: type[SpecError] | type[WorkloadError]) -> None:
    path = tmp_path / "a.yaml"
    with pytest.raises(error) as caught:
        read(path, error)
    assert str(caught.value) == f"{path}: no such file"


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        read(tmp_path, SpecError)
    assert str(caught.value) == f"{tmp_path}: is a folder; give a YAML file"


def test_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(SpecError) as caught:
        read(path, SpecError)
    assert str(caught.value) == f"{path}: isn't a regular file; give a YAML file"


def test_too_large_a_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    with pytest.raises(SpecError) as caught:
        read(path, SpecError)
    assert str(caught.value) == f"{path}: has 100000000 bytes but at most 1000000 are read"


def test_bytes_that_are_not_text(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(SpecError) as caught:
        read(path, SpecError)
    assert str(caught.value) == f"{path}:2: isn't UTF-8 text; give a YAML file"


def test_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 300)  # longer than any file system allows
    with pytest.raises(SpecError) as caught:
        read(path, SpecError)
    assert str(caught.value) == f"{path}: can't be read: File name too long"


def test_the_python_loader_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: [1, 'b', *x, ~]\n".replace("*x", "1e3")
    expected = parse(text, "a.yaml", SpecError)
    monkeypatch.delattr("yaml.CSafeLoader")
    assert parse(text, "a.yaml", SpecError) == expected
