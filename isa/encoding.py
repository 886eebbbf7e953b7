"""Programs as bytes. ``decode(encode(program)) == program``; the format is in ``ISA.md``."""

from __future__ import annotations

from typing import Any

from foundation.dtype import DTYPES
from foundation.errors import AssemblyError
from foundation.formats import FORMATS
from foundation.functions import FUNCTIONS
from foundation.stored import Stored
from isa.fields import FORM_OF, FORM_OF_OPCODE, Kind, checked_count, checked_stride
from isa.instruction import DATAFLOW_NAMES, Access, Instruction, Operand, Queue
from isa.program import Program, Semaphore, Space, Stream

MAGIC = b"RTIL"
VERSION = 1

#: Codes are places in these lists. They are part of the format: only ever append.
DTYPE_CODES = (
    *("int8", "int32", "fp16", "bf16", "fp32"),
    *("fp8_e4m3", "fp8_e5m2", "tf32", "int4"),
)
FORMAT_CODES = ("dense", "nm", "bitmap", "csr", "blocked_ell")
FUNCTION_CODES = (
    *("identity", "relu", "relu6", "gelu", "silu", "sigmoid", "tanh", "hard_swish"),
    *("add", "subtract", "multiply", "maximum", "requantize", "batch_norm"),
    *("sum", "mean", "max", "softmax", "layer_norm", "rms_norm"),
    *("hard_sigmoid", "softplus", "absolute", "negative", "exp", "log", "sqrt", "reciprocal"),
    *("erf", "divide", "minimum", "dot", "equal", "argmax", "sort", "argsort", "scan"),
    *("greater", "rescale"),
    *("relu_gradient", "relu6_gradient", "sigmoid_gradient", "tanh_gradient"),
    *("hard_sigmoid_gradient", "gelu_gradient", "silu_gradient", "hard_swish_gradient"),
    *("absolute_gradient", "erf_gradient", "cast", "max_gradient", "floor", "floor_int32"),
)
_MAX_BITS = 64


def encode(program: Program) -> bytes:
    """Return a program as bytes.

    Raises
    ------
    AssemblyError
        A number doesn't fit in 64 bits, or a name is empty: nothing that a mapper makes.
    """
    writer = _Writer()
    try:
        _write(writer, program)
    except ValueError as error:
        raise AssemblyError(f"byte {len(writer.data)}: {error}") from None
    return bytes(writer.data)


def _write(writer: _Writer, program: Program) -> None:
    writer.data += MAGIC
    writer.count(VERSION)
    writer.count(len(program.spaces))
    for space in program.spaces:
        writer.text(space.name)
        writer.count(space.size_bytes)
        writer.count(int(space.is_main_memory))
    writer.count(len(program.semaphores))
    for semaphore in program.semaphores:
        writer.text(semaphore.name)
        writer.count(semaphore.initial)
    writer.count(len(program.streams))
    for stream, code in program.streams.items():
        writer.count(stream.core)
        writer.count(stream.queue)
        writer.count(len(code))
        for instruction in code:
            writer.instruction(instruction)


def decode(data: bytes) -> Program:
    """Return the program that bytes describe.

    Raises
    ------
    AssemblyError
        At which byte the data isn't a program.
    """
    reader = _Reader(data)
    try:
        program = _program(reader)
    except ValueError as error:
        raise AssemblyError(f"byte {reader.position}: {error}") from None
    return program


def _program(reader: _Reader) -> Program:
    if reader.take(len(MAGIC)) != MAGIC:
        raise ValueError(f"a program starts with {MAGIC.decode()}")
    version = reader.count()
    if version != VERSION:
        raise ValueError(f"format version {version} but this version reads {VERSION}")
    spaces = tuple(
        Space(name=reader.text(), size_bytes=reader.count(), is_main_memory=reader.flag())
        for _ in range(reader.length())
    )
    semaphores = tuple(
        Semaphore(name=reader.text(), initial=reader.count()) for _ in range(reader.length())
    )
    _check_unique("space", [space.name for space in spaces])
    _check_unique("semaphore", [semaphore.name for semaphore in semaphores])
    reader.spaces, reader.semaphores = len(spaces), len(semaphores)
    streams = {}
    for _ in range(reader.length()):
        stream = Stream(core=reader.count(), queue=Queue(reader.code(len(Queue), "queue")))
        if stream in streams:
            raise ValueError(f"stream {stream.core} {stream.queue.name.lower()} stands twice")
        streams[stream] = tuple(reader.instruction() for _ in range(reader.length()))
    if reader.position != len(reader.data):
        raise ValueError(f"{len(reader.data) - reader.position} bytes are left over")
    return Program(spaces=spaces, semaphores=semaphores, streams=streams)


def _check_unique(what: str, names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{what} {name!r} is declared twice")
        seen.add(name)


class _Writer:
    """Appends values to bytes."""

    def __init__(self) -> None:
        self.data = bytearray()

    def count(self, value: int) -> None:
        """Append a whole number as LEB128: seven bits a byte, low ones first."""
        checked_count(value)
        while value > 0x7F:
            self.data.append(value & 0x7F | 0x80)
            value >>= 7
        self.data.append(value)

    def text(self, value: str) -> None:
        """Append a length and UTF-8."""
        encoded = value.encode()
        if not encoded:
            raise ValueError("a name is empty")
        self.count(len(encoded))
        self.data += encoded

    def access(self, value: Access) -> None:
        """Append space, base, number of strides, and strides with their sign in the lowest bit."""
        self.count(value.space)
        self.count(value.base)
        self.count(len(value.strides))
        for stride in value.strides:
            self.count(2 * stride if checked_stride(stride) >= 0 else -2 * stride - 1)

    def instruction(self, instruction: Instruction) -> None:
        """Append an opcode and the fields behind it."""
        opcode, fields = FORM_OF[type(instruction)].coded(instruction)
        self.data.append(opcode)
        for item in fields:
            self._value(item.kind, getattr(instruction, item.name))

    def stored(self, stored: Stored) -> None:
        """Append how weights are stored."""
        self.count(DTYPE_CODES.index(stored.value.name))
        for number in (stored.length, stored.kept, stored.period, stored.block):
            self.count(number)
        self.count(FORMAT_CODES.index(stored.format))
        self.count(0 if stored.scale is None else 1 + DTYPE_CODES.index(stored.scale.name))

    def _value(self, kind: Kind, value: Any) -> None:
        match kind:
            case Kind.COUNTS:
                self.count(len(value))
                for item in value:
                    self.count(item)
            case Kind.ACCESS:
                self.access(value)
            case Kind.ACCESSES:
                self.count(len(value))
                for item in value:
                    self.access(item)
            case Kind.DTYPE:
                self.count(DTYPE_CODES.index(value.name))
            case Kind.FUNCTION:
                self.count(FUNCTION_CODES.index(value))
            case Kind.DATAFLOW:
                self.count(DATAFLOW_NAMES.index(value))
            case Kind.STORED:
                self.stored(value)
            case _:
                self.count(int(value))


class _Reader:
    """Takes values from bytes; what isn't there, or isn't allowed, is a ValueError."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.spaces = 0
        self.semaphores = 0

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        if size > len(self.data) - self.position:
            raise ValueError(
                f"needs {size} more bytes but {len(self.data) - self.position} are left"
            )
        self.position += size
        return self.data[self.position - size : self.position]

    def count(self) -> int:
        """Return a whole number."""
        value = 0
        for shift in range(0, _MAX_BITS, 7):
            (byte,) = self.take(1)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if byte == 0 and shift:
                    raise ValueError("a number has more bytes than it needs")
                return checked_count(value)
        raise ValueError(f"a number has more than {_MAX_BITS} bits")

    def length(self) -> int:
        """Return a number of things that follow, each of at least one byte."""
        value = self.count()
        if value > len(self.data) - self.position:
            raise ValueError(
                f"{value} items can't follow in {len(self.data) - self.position} bytes"
            )
        return value

    def code(self, limit: int, what: str) -> int:
        """Return a number below ``limit``."""
        value = self.count()
        if value >= limit:
            raise ValueError(f"{what} {value} must be below {limit}")
        return value

    def flag(self) -> bool:
        """Return a truth value."""
        return bool(self.code(2, "flag"))

    def text(self) -> str:
        """Return a name."""
        try:
            value = self.take(self.length()).decode()
        except UnicodeDecodeError:
            raise ValueError("a name isn't UTF-8") from None
        if not value:
            raise ValueError("a name is empty")
        return value

    def access(self) -> Access:
        """Return an access."""
        space, base = self.code(self.spaces, "space"), self.count()
        folded = [self.count() for _ in range(self.length())]
        strides = tuple(-(value + 1) // 2 if value % 2 else value // 2 for value in folded)
        return Access(space=space, base=base, strides=strides)

    def instruction(self) -> Instruction:
        """Return an instruction."""
        (opcode,) = self.take(1)
        if opcode not in FORM_OF_OPCODE:
            raise ValueError(f"opcode {opcode:#04x} is unknown")
        form, fields = FORM_OF_OPCODE[opcode]
        return form.instruction(**{item.name: self._value(item.kind) for item in fields})

    def stored(self) -> Stored:
        """Return how weights are stored."""
        value = DTYPES[DTYPE_CODES[self.code(len(DTYPE_CODES), "dtype")]]
        length, kept, period, block = (self.count() for _ in range(4))
        form = FORMAT_CODES[self.code(len(FORMAT_CODES), "format")]
        scale = self.code(1 + len(DTYPE_CODES), "scale")
        return Stored(
            value=value,
            length=length,
            kept=kept,
            period=period,
            block=block,
            format=form,
            scale=DTYPES[DTYPE_CODES[scale - 1]] if scale else None,
        )

    def _value(self, kind: Kind) -> Any:
        match kind:
            case Kind.COUNT | Kind.BITS:
                return self.count()
            case Kind.COUNTS:
                return tuple(self.count() for _ in range(self.length()))
            case Kind.ACCESS:
                return self.access()
            case Kind.ACCESSES:
                return tuple(self.access() for _ in range(self.length()))
            case Kind.SEMAPHORE:
                return self.code(self.semaphores, "semaphore")
            case Kind.DTYPE:
                return DTYPES[DTYPE_CODES[self.code(len(DTYPE_CODES), "dtype")]]
            case Kind.FUNCTION:
                return FUNCTION_CODES[self.code(len(FUNCTION_CODES), "function")]
            case Kind.OPERAND:
                return Operand(self.code(len(Operand), "operand"))
            case Kind.FLAG:
                return self.flag()
            case Kind.DATAFLOW:
                return DATAFLOW_NAMES[self.code(len(DATAFLOW_NAMES), "dataflow")]
            case Kind.STORED:
                return self.stored()


assert set(DTYPE_CODES) == set(DTYPES), "every dtype has a code"
assert set(FORMAT_CODES) == set(FORMATS), "every format has a code"
assert set(FUNCTION_CODES) == set(FUNCTIONS), "every function has a code"
