"""What each instruction consists of: the one table behind assembly text and binary encoding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from isa.instruction import Gather, Instruction, Load, MatMul, Signal, Store, Vector, Wait


class Kind(Enum):
    """What a field holds."""

    COUNT = "count"  # a whole number, at least 0
    COUNTS = "counts"  # whole numbers, at least 0
    BITS = "bits"  # a whole number, shown in hexadecimal
    ACCESS = "access"
    ACCESSES = "accesses"
    SEMAPHORE = "semaphore"
    DTYPE = "dtype"
    FUNCTION = "function"
    OPERAND = "operand"
    FLAG = "flag"
    DATAFLOW = "dataflow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One attribute of an instruction, under the same name in text."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """An instruction's mnemonic, opcode byte, and fields in the order of text and binary.

    Parameters
    ----------
    mnemonic, opcode, instruction
        In text, in binary, in Python.
    fields
        Those that every instruction has.
    option, option_opcode
        A last field that is left out where it is None, and the opcode with it; None without any.
    """

    mnemonic: str
    opcode: int
    instruction: type[Instruction]
    fields: tuple[Field, ...]
    option: Field | None = None
    option_opcode: int | None = None

    @property
    def all_fields(self) -> tuple[Field, ...]:
        """The fields with the one that can be left out."""
        return self.fields if self.option is None else (*self.fields, self.option)

    def coded(self, instruction: Instruction) -> tuple[int, tuple[Field, ...]]:
        """Return the opcode of an instruction, and the fields that it has."""
        if self.option is None or getattr(instruction, self.option.name) is None:
            return self.opcode, self.fields
        assert self.option_opcode is not None, "an option has an opcode"
        return self.option_opcode, self.all_fields


def _form(
    mnemonic: str, opcode: int, instruction: type[Instruction], **kinds: Kind
) -> tuple[str, Form]:
    fields = tuple(Field(name=name, kind=kind) for name, kind in kinds.items())
    return mnemonic, Form(mnemonic=mnemonic, opcode=opcode, instruction=instruction, fields=fields)


def _with_option(named: tuple[str, Form], opcode: int, name: str, kind: Kind) -> tuple[str, Form]:
    mnemonic, form = named
    return mnemonic, replace(form, option=Field(name=name, kind=kind), option_opcode=opcode)


#: Mnemonic to form. Opcodes are part of the binary format: never reuse one.
FORMS = dict(
    (
        _form("wait", 0x01, Wait, semaphore=Kind.SEMAPHORE),
        _form("signal", 0x02, Signal, semaphore=Kind.SEMAPHORE),
        _form(
            "load",
            0x10,
            Load,
            source=Kind.ACCESS,
            destination=Kind.ACCESS,
            shape=Kind.COUNTS,
            before=Kind.COUNTS,
            after=Kind.COUNTS,
            element_bytes=Kind.COUNT,
            fill=Kind.BITS,
            operand=Kind.OPERAND,
            tag=Kind.COUNT,
        ),
        _form(
            "gather",
            0x11,
            Gather,
            table=Kind.ACCESS,
            indices=Kind.ACCESS,
            destination=Kind.ACCESS,
            rows=Kind.COUNT,
            row_elements=Kind.COUNT,
            table_rows=Kind.COUNT,
            element_bytes=Kind.COUNT,
            operand=Kind.OPERAND,
            tag=Kind.COUNT,
        ),
        _form(
            "store",
            0x12,
            Store,
            source=Kind.ACCESS,
            destination=Kind.ACCESS,
            shape=Kind.COUNTS,
            element_bytes=Kind.COUNT,
            operand=Kind.OPERAND,
            tag=Kind.COUNT,
        ),
        _with_option(
            _form(
                "matmul",
                0x20,
                MatMul,
                groups=Kind.COUNTS,
                m=Kind.COUNTS,
                n=Kind.COUNT,
                k=Kind.COUNTS,
                input=Kind.ACCESS,
                weight=Kind.ACCESS,
                psum=Kind.ACCESS,
                accumulate=Kind.FLAG,
                dtype=Kind.DTYPE,
                tag=Kind.COUNT,
            ),
            0x21,
            "dataflow",
            Kind.DATAFLOW,
        ),
        _form(
            "vector",
            0x30,
            Vector,
            function=Kind.FUNCTION,
            shape=Kind.COUNTS,
            reduced=Kind.COUNT,
            inputs=Kind.ACCESSES,
            output=Kind.ACCESS,
            input_dtype=Kind.DTYPE,
            output_dtype=Kind.DTYPE,
            shift=Kind.COUNT,
            activation=Kind.FUNCTION,
            tag=Kind.COUNT,
        ),
    )
)

#: Opcode byte to form, and to the fields behind it.
FORM_OF_OPCODE = {form.opcode: (form, form.fields) for form in FORMS.values()} | {
    form.option_opcode: (form, form.all_fields)
    for form in FORMS.values()
    if form.option_opcode is not None
}

FORM_OF = {form.instruction: form for form in FORMS.values()}

#: Counts, addresses and sizes have 64 bits; a stride has a sign and 63.
MAX_COUNT = 2**64 - 1
STRIDE_LIMIT = 2**63


def checked_count(value: int) -> int:
    """Return a count that fits the format, or raise ValueError."""
    if not 0 <= value <= MAX_COUNT:
        raise ValueError(f"number {value} must lie in 0..{MAX_COUNT}")
    return value


def checked_stride(value: int) -> int:
    """Return a stride that fits the format, or raise ValueError."""
    if not -STRIDE_LIMIT <= value < STRIDE_LIMIT:
        raise ValueError(f"stride {value} must lie in {-STRIDE_LIMIT}..{STRIDE_LIMIT - 1}")
    return value
