"""Programs as text. ``assemble(disassemble(program)) == program``; the syntax is in ``ISA.md``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from foundation.dtype import DTYPES
from foundation.errors import AssemblyError, nearest
from foundation.formats import FORMATS
from foundation.functions import FUNCTIONS
from foundation.stored import Stored
from isa.fields import FORM_OF, FORMS, Form, Kind, checked_count, checked_stride
from isa.instruction import DATAFLOW_NAMES, Access, Instruction, Operand, Queue
from isa.program import Program, Semaphore, Space, Stream

_ACCESS = re.compile(r"([^\s+\[\]]+)\+(0x[0-9a-f]+|\d+)\[([-\d,]*)\]\Z")
_STORED = re.compile(r"(\w+)/(\d+):(\d+)/(\d+):(\d+):(\w+):(\w+)\Z", re.ASCII)
_LIST = re.compile(r"\[([\d,]*)\]\Z")
_MAX_DIGITS = 30
_OPERANDS = {operand.name.lower(): operand for operand in Operand}
_QUEUES = {queue.name.lower(): queue for queue in Queue}
_FLAGS = {"yes": True, "no": False}


def disassemble(program: Program) -> str:
    """Return a program as text, one instruction a line."""
    lines = []
    for space in program.spaces:
        kind = "main" if space.is_main_memory else "scratchpad"
        lines.append(f".space {_name_text(space.name)} {kind} {space.size_bytes}")
    lines += [f".semaphore {_name_text(s.name)} {s.initial}" for s in program.semaphores]
    for stream, code in program.streams.items():
        lines.append(f".stream {stream.core} {stream.queue.name.lower()}")
        lines += [f"  {_instruction_text(program, instruction)}" for instruction in code]
    return "\n".join(lines) + "\n"


def _instruction_text(program: Program, instruction: Instruction) -> str:
    form = FORM_OF[type(instruction)]
    if form.fields[0].kind is Kind.SEMAPHORE:
        number = getattr(instruction, form.fields[0].name)
        return f"{form.mnemonic} {_name_text(program.semaphores[number].name)}"
    _, fields = form.coded(instruction)
    values = (
        f"{item.name}={_value_text(program, item.kind, getattr(instruction, item.name))}"
        for item in fields
    )
    return f"{form.mnemonic} {' '.join(values)}"


def _value_text(program: Program, kind: Kind, value: Any) -> str:
    match kind:
        case Kind.COUNTS:
            return f"[{','.join(map(str, value))}]"
        case Kind.BITS:
            return hex(value)
        case Kind.ACCESS:
            strides = ",".join(map(str, value.strides))
            return f"{_name_text(program.spaces[value.space].name)}+{hex(value.base)}[{strides}]"
        case Kind.ACCESSES:
            return ";".join(_value_text(program, Kind.ACCESS, access) for access in value)
        case Kind.OPERAND:
            return str(value.name.lower())
        case Kind.FLAG:
            return "yes" if value else "no"
        case _:
            return str(value)


def _name_text(name: str) -> str:
    """Return a name as one word: what isn't plain ASCII is percent-encoded."""
    return quote(name, safe="/:@!$&*()<>")


@dataclass(slots=True)
class _Source:
    """What has been read of a text so far."""

    spaces: dict[str, Space] = field(default_factory=dict)
    semaphores: dict[str, Semaphore] = field(default_factory=dict)
    streams: dict[Stream, list[Instruction]] = field(default_factory=dict)
    current: list[Instruction] | None = None


def assemble(text: str) -> Program:
    """Return the program that a text describes.

    Raises
    ------
    AssemblyError
        With the 1-based line: what is wrong there.
    """
    source = _Source()
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if words:
            try:
                _read_line(source, words)
            except ValueError as error:
                raise AssemblyError(str(error), number) from None
    return Program(
        spaces=tuple(source.spaces.values()),
        semaphores=tuple(source.semaphores.values()),
        streams={stream: tuple(code) for stream, code in source.streams.items()},
    )


def _read_line(source: _Source, words: list[str]) -> None:
    head, *rest = words
    match head:
        case ".space":
            word, kind, size = _arguments(head, rest, ("name", "main|scratchpad", "bytes"))
            name = _name(word)
            is_main = _choice("kind of space", kind, {"main": True, "scratchpad": False})
            _add(source.spaces, "space", name, Space(
                name=name, size_bytes=_count(size), is_main_memory=is_main
            ))  # fmt: skip
        case ".semaphore":
            word, initial = _arguments(head, rest, ("name", "count"))
            name = _name(word)
            semaphore = Semaphore(name=name, initial=_count(initial))
            _add(source.semaphores, "semaphore", name, semaphore)
        case ".stream":
            core, queue = _arguments(head, rest, ("core", "queue"))
            stream = Stream(core=_count(core), queue=_choice("queue", queue, _QUEUES))
            if stream in source.streams:
                raise ValueError(f"stream {core} {queue} stands twice; join the two")
            source.current = source.streams[stream] = []
        case _:
            form: Form = _choice("instruction", head, FORMS)
            if source.current is None:
                raise ValueError(f"'{head}' comes before the first .stream")
            source.current.append(_instruction(source, form, rest))


def _arguments(head: str, words: list[str], names: tuple[str, ...]) -> list[str]:
    if len(words) != len(names):
        usage = " ".join(f"<{name}>" for name in names)
        raise ValueError(f"{head} takes {len(names)} words ({usage}) but has {len(words)}")
    return words


def _add(known: dict[str, Any], what: str, name: str, value: object) -> None:
    if name in known:
        raise ValueError(f"{what} '{name}' is declared twice; rename one")
    known[name] = value


def _choice(what: str, name: str, known: Mapping[str, Any]) -> Any:
    if name not in known:
        raise ValueError(f"unknown {what} '{name}'{nearest(name, known)}")
    return known[name]


def _instruction(source: _Source, form: Form, words: list[str]) -> Instruction:
    values: dict[str, Any] = {}
    if form.fields[0].kind is Kind.SEMAPHORE:
        (name,) = _arguments(form.mnemonic, words, ("semaphore",))
        number = _number_of("semaphore", name, source.semaphores)
        values[form.fields[0].name] = number
        return form.instruction(**values)
    kinds = {item.name: item.kind for item in form.all_fields}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            raise ValueError(f"'{word}' must have the form key=value")
        if key not in kinds:
            raise ValueError(f"{form.mnemonic} has no '{key}'{nearest(key, kinds)}")
        if key in values:
            raise ValueError(f"'{key}' stands twice")
        values[key] = _value(source, kinds[key], text)
    missing = [item.name for item in form.fields if item.name not in values]
    if missing:
        raise ValueError(f"{form.mnemonic} needs {', '.join(missing)}")
    return form.instruction(**values)


def _value(source: _Source, kind: Kind, text: str) -> Any:
    readers: dict[Kind, Callable[[str], Any]] = {
        Kind.COUNT: _count,
        Kind.COUNTS: _counts,
        Kind.BITS: lambda word: _count(word, 16),
        Kind.ACCESS: lambda word: _access(source, word),
        Kind.ACCESSES: lambda word: tuple(_access(source, part) for part in _items(word, ";")),
        Kind.DTYPE: lambda word: _choice("dtype", word, DTYPES),
        Kind.FUNCTION: lambda word: _choice("function", word, _words(FUNCTIONS)),
        Kind.DATAFLOW: lambda word: _choice("dataflow", word, _words(DATAFLOW_NAMES)),
        Kind.OPERAND: lambda word: _choice("operand", word, _OPERANDS),
        Kind.FLAG: lambda word: _choice("flag", word, _FLAGS),
        Kind.STORED: _stored,
    }
    return readers[kind](text)


def _stored(text: str) -> Stored:
    match = _STORED.match(text)
    if match is None:
        raise ValueError(f"'{text}' must say how weights are stored, as int4/32:2/4:1:nm:fp16 does")
    value, length, kept, period, block, form, scale = match.groups()
    return Stored(
        value=_choice("dtype", value, DTYPES),
        length=_count(length),
        kept=_count(kept),
        period=_count(period),
        block=_count(block),
        format=_choice("format", form, _words(FORMATS)),
        scale=None if scale == "none" else _choice("dtype", scale, DTYPES),
    )


def _words(known: Iterable[str]) -> dict[str, str]:
    """Return words that stand for themselves."""
    return {word: word for word in known}


def _count(text: str, base: int = 10) -> int:
    digits = r"0x[0-9a-f]+\Z" if base == 16 else r"\d+\Z"
    if len(text) > _MAX_DIGITS or not re.match(digits, text, re.ASCII):
        form = "hexadecimal such as 0x1f" if base == 16 else "a whole number"
        raise ValueError(f"'{text[:_MAX_DIGITS]}' must be {form}")
    return checked_count(int(text, base))


def _counts(text: str) -> tuple[int, ...]:
    match = _LIST.match(text)
    if match is None:
        raise ValueError(f"'{text}' must be a list such as [4,32]")
    return tuple(_count(word) for word in _items(match[1]))


def _items(text: str, separator: str = ",") -> Iterable[str]:
    return text.split(separator) if text else ()


def _name(word: str) -> str:
    """Return the name that a word stands for."""
    try:
        name = unquote(word, errors="strict")
        name.encode()
    except UnicodeError:
        raise ValueError(f"name {word!r} isn't UTF-8 text") from None
    return name


def _access(source: _Source, text: str) -> Access:
    match = _ACCESS.match(text)
    if match is None:
        raise ValueError(f"'{text}' must be an access such as dram+0x40[128,1]")
    strides = tuple(
        checked_stride(-_count(word[1:]) if word.startswith("-") else _count(word))
        for word in _items(match[3])
    )
    base = _count(match[2], 16 if match[2].startswith("0x") else 10)
    return Access(space=_number_of("space", match[1], source.spaces), base=base, strides=strides)


def _number_of(what: str, word: str, known: Mapping[str, object]) -> int:
    name = _name(word)
    _choice(what, name, known)
    return list(known).index(name)
