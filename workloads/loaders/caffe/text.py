"""Read the text format of protocol buffers as plain data, with the line of every field.

References
----------
.. [1] Protocol buffers, "Text format language specification",
   https://protobuf.dev/reference/protobuf/textformat-spec/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from foundation.errors import WorkloadError

MAX_NESTING = 50
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\f\v]+|\#[^\n]*)|(?P<newline>\n)"""
    r"""|(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
    r"""|(?P<word>[A-Za-z0-9_.+-]+)|(?P<sign>[{}<>\[\]:;,])"""
)
_CLOSING = {"{": "}", "<": ">"}
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?f?")
_FLAGS = {"true": True, "True": True, "t": True, "1": True}
_FLAGS |= {"false": False, "False": False, "f": False, "0": False}


class Value(NamedTuple):
    """A number, a word or a text as it is written, with its line."""

    text: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Fields by name, each as often as it is given.

    Parameters
    ----------
    file, line
        Where it stands.
    name
        The field that it is the value of.
    fields
        Name to values in the file's order.
    """

    file: str
    line: int
    name: str
    fields: dict[str, list[Value | Message]] = field(default_factory=dict)

    def failure(self, message: str, line: int | None = None) -> WorkloadError:
        """Return the error that ``message`` is about this message, or a line in it."""
        return WorkloadError(f"{self.file}:{line or self.line}: {message}")

    def messages(self, name: str) -> list[Message]:
        """Return all values of a field of messages."""
        found = self.fields.get(name, [])
        for value in found:
            if isinstance(value, Value):
                raise self.failure(f"{name} is '{value.text}' but must be a {{...}}", value.line)
        return [value for value in found if isinstance(value, Message)]

    def message(self, name: str) -> Message:
        """Return the only value of a field of messages; an empty one where it isn't given."""
        found = self.messages(name)
        if len(found) > 1:
            raise self.failure(f"{name} is given {len(found)} times; keep one", found[1].line)
        return found[0] if found else Message(file=self.file, line=self.line, name=name)

    def values(self, name: str) -> list[Value]:
        """Return all values of a field that isn't a message."""
        found = self.fields.get(name, [])
        for value in found:
            if isinstance(value, Message):
                raise self.failure(f"{name} must be a value but is a {{...}}", value.line)
        return [value for value in found if isinstance(value, Value)]

    def texts(self, name: str) -> list[str]:
        """Return all values of a field as they are written."""
        return [value.text for value in self.values(name)]

    def word(self, name: str, default: str) -> str:
        """Return a field's value as it is written; the last one where there are several."""
        return self.texts(name)[-1] if name in self.fields else default

    def integers(self, name: str, minimum: int) -> list[int]:
        """Return all values of a field of whole numbers."""
        found = []
        for value in self.values(name):
            if not _INTEGER.fullmatch(value.text) or int(value.text) < minimum:
                raise self.failure(
                    f"{name} is '{value.text}' but must be a whole number of at least {minimum}",
                    value.line,
                )
            found.append(int(value.text))
        return found

    def integer(self, name: str, default: int, minimum: int) -> int:
        """Return a field's whole number."""
        return self.integers(name, minimum)[-1] if name in self.fields else default

    def numbers(self, name: str) -> list[float]:
        """Return all values of a field of real numbers."""
        found = []
        for value in self.values(name):
            if not _NUMBER.fullmatch(value.text):
                raise self.failure(f"{name} is '{value.text}' but must be a number", value.line)
            found.append(float(value.text.rstrip("f")))
        return found

    def number(self, name: str, default: float) -> float:
        """Return a field's real number."""
        return self.numbers(name)[-1] if name in self.fields else default

    def flag(self, name: str, *, default: bool) -> bool:
        """Return a field's truth value."""
        if name not in self.fields:
            return default
        value = self.values(name)[-1]
        if value.text not in _FLAGS:
            raise self.failure(f"{name} is '{value.text}' but must be true or false", value.line)
        return _FLAGS[value.text]

    def check_known(self, known: Sequence[str]) -> None:
        """Raise WorkloadError for a field that isn't among ``known``."""
        from foundation.errors import nearest

        for name, values in self.fields.items():
            if name not in known:
                raise self.failure(
                    f"{self.name} has no field '{name}'{nearest(name, known)}", values[0].line
                )


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


def parse(text: str, file: str) -> Message:
    """Return the fields of a whole file; ``file`` stands for it in messages.

    Raises
    ------
    WorkloadError
        The text isn't in the format: which line, and what was expected.
    """
    return _Parser(file, _tokens(text, file)).file_fields()


def _tokens(text: str, file: str) -> Iterator[_Token]:
    line, at = 1, 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if not found:
            what = "a text has no end" if text[at] in "\"'" else f"'{text[at]}' has no meaning here"
            raise WorkloadError(f"{file}:{line}: {what}")
        at = found.end()
        if found.lastgroup == "newline":
            line += 1
        elif found.lastgroup != "space":
            yield _Token(str(found.lastgroup), found.group(), line)
    yield _Token("end", "the file's end", line)


class _Parser:
    """Turns tokens into messages, one file."""

    def __init__(self, file: str, tokens: Iterator[_Token]) -> None:
        self._file = file
        self._tokens = tokens
        self._next = next(tokens)

    def file_fields(self) -> Message:
        """Return the message that the file is."""
        return self._fields(Message(file=self._file, line=1, name="the file"), "end", 0)

    def _take(self) -> _Token:
        token = self._next
        if token.kind != "end":
            self._next = next(self._tokens)
        return token

    def _failure(self, token: _Token, message: str) -> WorkloadError:
        return WorkloadError(f"{self._file}:{token.line}: {message}")

    def _fields(self, message: Message, end: str, depth: int) -> Message:
        """Read fields into ``message`` until its ``end``, a sign or the file's."""
        if depth > MAX_NESTING:
            raise message.failure(f"nesting is deeper than the {MAX_NESTING} levels allowed")
        while True:
            token = self._take()
            if token.kind == end or (token.kind == "sign" and token.text == end):
                return message
            if token.kind == "end":
                raise message.failure(f"{message.name} has no '{end}' before the file's end")
            if token.kind != "word":
                raise self._failure(token, f"a field's name is expected but there is {token.text}")
            values = self._values(token, depth)
            if values:  # an empty list gives nothing
                message.fields.setdefault(token.text, []).extend(values)
            if self._next.text in (",", ";") and self._next.kind == "sign":
                self._take()

    def _values(self, name: _Token, depth: int) -> list[Value | Message]:
        """Return what stands behind a field's name: one value, or a list of them."""
        colon = self._next.kind == "sign" and self._next.text == ":"
        if colon:
            self._take()
        token = self._take()
        if not colon and (token.kind != "sign" or token.text not in _CLOSING):
            raise self._failure(name, f"'{name.text}' needs ':' or '{{' behind it")
        if token.kind != "sign" or token.text != "[":
            return [self._value(name, token, depth)]
        values: list[Value | Message] = []
        while (token := self._take()) != ("sign", "]", token.line):
            if token.text != "," or not values:
                values.append(self._value(name, token, depth))
        return values

    def _value(self, name: _Token, token: _Token, depth: int) -> Value | Message:
        """Return a message, a number, a word, or texts that stand one behind the other."""
        if token.kind == "sign" and token.text in _CLOSING:
            inner = Message(file=self._file, line=token.line, name=name.text)
            return self._fields(inner, _CLOSING[token.text], depth + 1)
        if token.kind == "word":
            return Value(token.text, token.line)
        if token.kind != "text":
            raise self._failure(token, f"{name.text} needs a value but there is {token.text}")
        parts = [token.text[1:-1]]
        while self._next.kind == "text":
            parts.append(self._take().text[1:-1])
        return Value(re.sub(r"\\(.)", r"\1", "".join(parts)), token.line)
