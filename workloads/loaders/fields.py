"""Fields of the YAML format's models: whole numbers or expressions, names, sizes per axis."""

from __future__ import annotations

import re
from keyword import iskeyword
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, PlainValidator, WithJsonSchema

from foundation.validation import describe

_NAME = r"^[A-Za-z_][A-Za-z0-9_./-]*$"
_PARAMETER = r"^[A-Za-z_][A-Za-z0-9_]*$"
#: Parameters that every expression may use without declaring them.
RESERVED = ("batch", "index")
_NAME_RULE = "a letter first, then letters, digits and _ . / -"


def _integer(value: Any) -> int | str:
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise ValueError(f"must be a whole number or an expression but is {describe(value)}")
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be text but is {describe(value)}")
    if len(value) > 200:
        raise ValueError(f"has {len(value)} characters but a name has at most 200")
    if not re.match(_NAME, value):
        raise ValueError(f"must be a name ({_NAME_RULE}) but is {describe(value)}")
    return value


def _parameter_name(value: Any) -> str:
    if not isinstance(value, str) or not re.match(_PARAMETER, value):
        raise ValueError("a parameter's name must be letters, digits and _, a letter first")
    if value in RESERVED or iskeyword(value):
        raise ValueError(f"parameter '{value}': the name is reserved; choose another")
    return value


def _lists_of_integers(value: Any, depth: int) -> Any:
    """Return integers nested in at most ``depth`` lists."""
    if isinstance(value, list) and depth:
        return [_lists_of_integers(item, depth - 1) for item in value]
    if isinstance(value, list):
        raise ValueError("has lists nested too deep")
    return _integer(value)


_INTEGER_SCHEMA: dict[str, Any] = {
    "description": "a whole number, or an expression over parameters",
    "type": ["integer", "string"],
}
_PER_AXIS_SCHEMA = {"anyOf": [_INTEGER_SCHEMA, {"type": "array", "items": _INTEGER_SCHEMA}]}
_PADDING_SCHEMA = {"anyOf": [_INTEGER_SCHEMA, {"type": "array", "items": _PER_AXIS_SCHEMA}]}
_NAME_SCHEMA = {"type": "string", "pattern": _NAME, "maxLength": 200}

Integer = Annotated[int | str, PlainValidator(_integer), WithJsonSchema(_INTEGER_SCHEMA)]
Name = Annotated[str, PlainValidator(_name), WithJsonSchema(_NAME_SCHEMA)]
ParameterName = Annotated[
    str, PlainValidator(_parameter_name), WithJsonSchema({"type": "string", "pattern": _PARAMETER})
]
#: One number for all spatial axes, or one for each.
PerAxis = Annotated[
    int | str | list[int | str],
    PlainValidator(lambda value: _lists_of_integers(value, 1)),
    WithJsonSchema(_PER_AXIS_SCHEMA),
]
#: As `PerAxis`, where each may also be ``[before, after]``; or the text ``same``.
Padding = Annotated[
    int | str | list[int | str | list[int | str]],
    PlainValidator(lambda value: _lists_of_integers(value, 2)),
    WithJsonSchema(_PADDING_SCHEMA),
]
DtypeName = Literal["int8", "int32", "fp16", "bf16", "fp32", "fp8_e4m3", "fp8_e5m2", "tf32"]
ComputeDtypeName = Literal["int8", "fp16", "bf16", "fp32", "fp8_e4m3", "fp8_e5m2", "tf32"]
WeightDtypeName = Literal["int4", "int8", "fp16", "bf16", "fp32", "fp8_e4m3", "fp8_e5m2", "tf32"]
FormatName = Literal["dense", "nm", "bitmap", "csr", "blocked_ell"]
Activation = Literal[
    "identity",
    "relu",
    "relu6",
    "gelu",
    "silu",
    "sigmoid",
    "tanh",
    "hard_swish",
    "hard_sigmoid",
    "softplus",
    "absolute",
    "negative",
    "exp",
    "log",
    "sqrt",
    "reciprocal",
    "erf",
    "floor",
]


class Model(BaseModel):
    """Data of a file: nothing else than what it says, and nothing changes it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)
