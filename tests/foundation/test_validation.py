from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from foundation.document import parse
from foundation.errors import SpecError
from foundation.validation import describe


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Round(_Model):
    kind: Literal["round"]
    radius: float = Field(gt=0, allow_inf_nan=False)


class _Square(_Model):
    kind: Literal["square"]
    side: int = Field(ge=1, le=9)
    name: Annotated[str, Field(min_length=1)] = "x"


class _Drawing(_Model):
    shapes: Annotated[
        list[Annotated[_Round | _Square, Field(discriminator="kind")]], Field(min_length=1)
    ]
    filled: bool = False
    colours: dict[str, Literal["red", "green"]] = {}


def mistake(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        parse(text, "d.yaml", SpecError).validate(_Drawing)
    return str(caught.value)


def test_valid() -> None:
    text = "shapes: [{kind: square, side: 2}]\n"
    assert parse(text, "d.yaml", SpecError).validate(_Drawing).shapes == [
        _Square(kind="square", side=2)
    ]


def test_part_of_a_document() -> None:
    document = parse("a:\n  kind: square\n  side: 0\n", "d.yaml", SpecError)
    with pytest.raises(SpecError, match=r"^d\.yaml:3: a\.side: must be at least 1 but is 0$"):
        document.validate(_Square, ("a",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3", "d.yaml:1: must be a mapping (key: value) but is 3"),
        ("filled: true", "d.yaml:1: key 'shapes' is missing; add it"),
        ("shapes: 3", "d.yaml:1: shapes: must be a list but is 3"),
        ("shapes: []", "d.yaml:1: shapes: must have at least 1 item but has 0"),
        ("shapes: [3]", "d.yaml:1: shapes[0]: must be a mapping (key: value) but is 3"),
        ("shapes: [{side: 2}]", "d.yaml:1: shapes[0]: key 'kind' is missing; add it"),
        (
            "shapes: [{kind: squar}]",
            "d.yaml:1: shapes[0]: must be 'round', 'square' but is a mapping",
        ),
        (
            "shapes:\n  - kind: square\n    sid: 2",
            "d.yaml:3: shapes[0].sid: unknown key 'sid'; did you mean 'side'? (and 1 more)",
        ),
        (
            "shapes: [{kind: square, side: '2'}]",
            "d.yaml:1: shapes[0].side: must be a whole number but is '2'",
        ),
        (
            "shapes: [{kind: square, side: true}]",
            "d.yaml:1: shapes[0].side: must be a whole number but is true",
        ),
        (
            "shapes: [{kind: square, side: 2.5}]",
            "d.yaml:1: shapes[0].side: must be a whole number but is 2.5",
        ),
        (
            "shapes: [{kind: square, side: }]",
            "d.yaml:1: shapes[0].side: must be a whole number but is empty",
        ),
        (
            "shapes: [{kind: square, side: 10}]",
            "d.yaml:1: shapes[0].side: must be at most 9 but is 10",
        ),
        (
            "shapes: [{kind: square, side: 1, name: ''}]",
            "d.yaml:1: shapes[0].name: must not be empty",
        ),
        (
            "shapes: [{kind: square, side: 1, name: 3}]",
            "d.yaml:1: shapes[0].name: must be text but is 3",
        ),
        (
            "shapes: [{kind: round, radius: a}]",
            "d.yaml:1: shapes[0].radius: must be a number but is 'a'",
        ),
        (
            "shapes: [{kind: round, radius: .nan}]",
            "d.yaml:1: shapes[0].radius: must be a finite number but is nan",
        ),
        (
            "shapes: [{kind: round, radius: -1}]",
            "d.yaml:1: shapes[0].radius: must be greater than 0 but is -1",
        ),
        (
            "shapes: [{kind: round, radius: 1}]\nfilled: yes",
            "d.yaml:2: filled: must be true or false but is 'yes'",
        ),
        (
            "shapes: [{kind: round, radius: 1}]\ncolours: {a: gren}",
            "d.yaml:2: colours.a: must be 'red' or 'green' but is 'gren'; did you mean 'green'?",
        ),
        (
            "shapes: [{kind: round, radius: 1}]\ncolours: [a]",
            "d.yaml:2: colours: must be a mapping (key: value) but is a list of 1",
        ),
        (
            "filled: 1\nshapes: [{kind: round, radius: 1}]\ncolours: 2\nedge: 3",
            "d.yaml:1: filled: must be true or false but is 1 (and 2 more)",
        ),
    ],
)
def test_messages(text: str, message: str) -> None:
    assert mistake(text) == message


def test_a_suggestion_comes_from_the_variant_that_is_meant() -> None:
    text = "shapes: [{kind: round, radius: 1, sides: 2}]"
    assert mistake(text) == "d.yaml:1: shapes[0].sides: unknown key 'sides'"


def test_long_text_is_shortened() -> None:
    assert describe("a" * 100) == f"'{'a' * 60}…'"
