"""Turn pydantic's errors into one short sentence at a place in a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from foundation.document import Document, Path_
from foundation.errors import nearest

_WORD_LIMIT = 60

#: What was expected, by pydantic's error type.
_EXPECTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping (key: value)",
    "mapping_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "model_attributes_type": "a mapping (key: value)",
    "none_required": "empty",
}


def _plain(limit: float) -> str:
    """Return ``0`` for 0.0."""
    return str(int(limit)) if limit == int(limit) else str(limit)


#: A rule with its limit, by pydantic's error type; the limit is in the error's context.
_RULES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than": lambda ctx: f"greater than {_plain(ctx['gt'])}",
    "greater_than_equal": lambda ctx: f"at least {_plain(ctx['ge'])}",
    "less_than": lambda ctx: f"less than {_plain(ctx['lt'])}",
    "less_than_equal": lambda ctx: f"at most {_plain(ctx['le'])}",
    "multiple_of": lambda ctx: f"a multiple of {ctx['multiple_of']}",
    "literal_error": lambda ctx: ctx["expected"],
    "enum": lambda ctx: ctx["expected"],
    "union_tag_invalid": lambda ctx: ctx["expected_tags"],
}


def describe(value: object) -> str:
    """Return a value as a user wrote it, shortened: ``'abc'``, ``3``, ``a list of 2``."""
    match value:
        case None:
            return "empty"
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case str():
            text = value if len(value) <= _WORD_LIMIT else f"{value[:_WORD_LIMIT]}…"
            return f"'{text}'"
        case list() | tuple():
            return f"a list of {len(value)}"
        case dict():
            return "a mapping"
        case _:
            return f"'{value}'"


def first_mistake(
    document: Document, path: Path_, model: type[BaseModel], error: ValidationError
) -> tuple[Path_, str]:
    """Return where the first mistake in the file's order stands, and what is wrong."""
    details = error.errors(include_url=False)
    places = [(*path, *_place(document.at(path), detail["loc"])) for detail in details]
    # A misspelt key is also a missing one: of both, in one mapping, the misspelling comes first.
    missing = [detail["loc"][-1] if detail["type"] == "missing" else "" for detail in details]
    lines = [
        document.line(place[:-1] if detail["type"] == "extra_forbidden" else place)
        for detail, place in zip(details, places, strict=True)
    ]
    first = min((lines[i], bool(missing[i]), i) for i in range(len(details)))[-1]
    known = _known_keys(model, details[first]["loc"][:-1], document.at(places[first][:-1]))
    message = _message(details[first], known)
    distinct = len(set(zip(places, missing, strict=True)))
    more = f" (and {distinct - 1} more)" if distinct > 1 else ""
    return places[first], message + more


def _place(data: Any, location: Iterable[Any]) -> Path_:
    """Return the steps of pydantic's ``location`` that are in the data: it adds union tags."""
    path: list[str | int] = []
    for step in location:
        inside_list = isinstance(data, list) and isinstance(step, int) and step < len(data)
        if inside_list or (isinstance(data, dict) and step in data):
            path.append(step)
            data = data[step]
    return tuple(path)


def _message(detail: ErrorDetails, known_keys: Iterable[str]) -> str:
    kind, given = detail["type"], detail["input"]
    context = detail.get("ctx", {})
    if kind == "extra_forbidden":
        key = str(detail["loc"][-1])
        return f"unknown key '{key}'{nearest(key, known_keys)}"
    if kind == "missing":
        return f"key '{detail['loc'][-1]}' is missing; add it"
    if kind == "union_tag_not_found":
        return f"key {context['discriminator']} is missing; add it"
    if kind in ("value_error", "assertion_error"):
        return str(context["error"])
    if kind in _EXPECTED:
        return f"must be {_EXPECTED[kind]} but is {describe(given)}"
    if kind in _RULES:
        hint = ""
        if kind in ("literal_error", "enum") and isinstance(given, str):
            hint = nearest(given, context["expected"].replace(" or ", ", ").split("'")[1::2])
        return f"must be {_RULES[kind](context)} but is {describe(given)}{hint}"
    if kind in ("too_short", "too_long"):
        bound = "least" if kind == "too_short" else "most"
        limit = context["min_length" if kind == "too_short" else "max_length"]
        items = "item" if limit == 1 else "items"
        return f"must have at {bound} {limit} {items} but has {context['actual_length']}"
    if kind == "string_too_short":
        return "must not be empty"
    text = detail["msg"]
    return f"{text[:1].lower()}{text[1:]}; it is {describe(given)}"


def _known_keys(model: type[BaseModel], location: Iterable[str | int], data: Any) -> set[str]:
    """Return the keys of the models that ``data``, at ``location`` inside ``model``, may be."""
    candidates = [model]
    for step in location:
        below = [
            nested
            for candidate in candidates
            for nested in _models_in(_fields(candidate).get(str(step)))
        ]
        candidates = below or candidates
    fitting = [candidate for candidate in candidates if _fits(candidate, data)]
    return {key for candidate in fitting for key in _fields(candidate)}


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    """Return the annotations of a model's keys as written in a file."""
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _fits(model: type[BaseModel], data: Any) -> bool:
    """False where ``data`` has another literal than ``model`` needs: the tag of its variant."""
    return isinstance(data, dict) and all(
        key not in data or data[key] in get_args(annotation)
        for key, annotation in _fields(model).items()
        if get_origin(annotation) is Literal
    )


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return every model within an annotation such as ``dict[str, Model] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]
