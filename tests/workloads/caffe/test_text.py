"""The text format of protocol buffers: what is written is read, and errors have their line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.errors import WorkloadError
from workloads.loaders.caffe.text import Message, Value, parse

names = st.from_regex(r"[a-z_][a-z0-9_]{0,6}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=8)
scalars = st.one_of(st.integers(-999, 999), texts, st.booleans())
#: A message as pairs of a field's name and a scalar, or another message.
messages = st.recursive(
    st.lists(st.tuples(names, scalars), max_size=4),
    lambda inner: st.lists(st.tuples(names, st.one_of(scalars, inner)), max_size=4),
    max_leaves=12,
)


def written(fields: object, style: int) -> str:
    """Return a message as text, in one of several styles."""
    assert isinstance(fields, list)
    parts = []
    for name, value in fields:
        if isinstance(value, list):
            opening, closing = ("{", "}") if style % 2 else (":\n<", ">")
            parts.append(f"{name} {opening} {written(value, style)} {closing}")
        elif isinstance(value, str):
            quote = '"' if style % 3 else "'"
            escaped = value.replace("\\", "\\\\").replace(quote, f"\\{quote}")
            parts.append(f"{name}:{quote}{escaped}{quote}")
        else:
            parts.append(f"{name} : {str(value).lower()}")
    return ("; " if style % 5 == 0 else "  # remark\n").join(parts) + "\n"


def plain(fields: object) -> dict[str, list[object]]:
    """Return fields by name, scalars as text."""
    assert isinstance(fields, list)
    result: dict[str, list[object]] = {}
    for name, value in fields:
        text = str(value) if isinstance(value, str) else str(value).lower()
        result.setdefault(name, []).append(plain(value) if isinstance(value, list) else text)
    return result


def read(message: Message) -> dict[str, list[object]]:
    return {
        name: [read(value) if isinstance(value, Message) else value.text for value in values]
        for name, values in message.fields.items()
    }


@given(fields=messages, style=st.integers(0, 29))
def test_what_is_written_is_read(fields: object, style: int) -> None:
    assert read(parse(written(fields, style), "a.prototxt")) == plain(fields)


def test_an_empty_list_gives_nothing() -> None:
    message = parse("a: [] b: [] b: 2", "net")
    assert message.fields.keys() == {"b"}
    assert message.integer("a", 7, 1) == 7


def test_lines_lists_and_joined_texts() -> None:
    message = parse('a: [1, 2,\n 3]\nb: "x" # remark\n "y"\nc { d: -1.5e3f }\n', "a.prototxt")
    assert message.fields["a"] == [Value("1", 1), Value("2", 1), Value("3", 2)]
    assert message.texts("b") == ["xy"]
    assert message.message("c").line == 5
    assert message.message("c").number("d", 0.0) == -1500.0
    assert message.integers("a", 1) == [1, 2, 3]
    assert message.message("missing").fields == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a {\n b: 1\n", "1: a has no '}' before the file's end"),
        ("a: 1\n}", "2: a field's name is expected but there is }"),
        ("a 1", "1: 'a' needs ':' or '{' behind it"),
        ("a:", "1: a needs a value but there is the file's end"),
        ("a: ]", "1: a needs a value but there is ]"),
        ("a: [1, }", "1: a needs a value but there is }"),
        ("a: [1", "1: a needs a value but there is the file's end"),
        ('\na: "x\n"', "2: a text has no end"),
        ("a: 1\nb = 2", "2: '=' has no meaning here"),
        ("a { " * 60, "1: nesting is deeper than the 50 levels allowed"),
    ],
)
def test_bad_texts(text: str, message: str) -> None:
    with pytest.raises(WorkloadError) as caught:
        parse(text, "a.prototxt")
    assert str(caught.value) == f"a.prototxt:{message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1 a: 2\nb {}\nb {}", "3: b is given 2 times; keep one"),
        ("b: 1", "1: b is '1' but must be a {...}"),
        ("\na {}", "2: a must be a value but is a {...}"),
        ("a: 0", "1: a is '0' but must be a whole number of at least 1"),
        ("c: x", "1: c is 'x' but must be a number"),
        ("d: yes", "1: d is 'yes' but must be true or false"),
        ("e: 1", "1: the file has no field 'e'"),
    ],
)
def test_bad_values(text: str, message: str) -> None:
    with pytest.raises(WorkloadError) as caught:
        read_all(parse(text, "a.prototxt"))
    assert str(caught.value) == f"a.prototxt:{message}"


def read_all(message: Message) -> None:
    message.message("b")
    message.integers("a", 1)
    message.number("c", 0)
    message.flag("d", default=True)
    message.check_known(["x_y_z"])
