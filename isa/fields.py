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
    STORED = "stored"


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
    options
        Last fields, each of which is left out where it is None.
    option_opcodes
        The opcode for each choice of options that aren't left out.
    """

    mnemonic: str
    opcode: int
    instruction: type[Instruction]
    fields: tuple[Field, ...]
    options: tuple[Field, ...] = ()
    option_opcodes: tuple[tuple[tuple[Field, ...], int], ...] = ()

    @property
    def all_fields(self) -> tuple[Field, ...]:
        """The fields with those that can be left out."""
        return (*self.fields, *self.options)

    @property
    def codes(self) -> dict[int, tuple[Field, ...]]:
        """Every opcode with the fields behind it."""
        chosen = {opcode: (*self.fields, *options) for options, opcode in self.option_opcodes}
        return {self.opcode: self.fields, **chosen}

    def coded(self, instruction: Instruction) -> tuple[int, tuple[Field, ...]]:
        """Return the opcode of an instruction, and the fields that it has."""
        given = tuple(
            [field for field in self.options if getattr(instruction, field.name) is not None]
        )
        if not given:
            return self.opcode, self.fields
        return dict(self.option_opcodes)[given], (*self.fields, *given)


def _form(
    mnemonic: str, opcode: int, instruction: type[Instruction], **kinds: Kind
) -> tuple[str, Form]:
    fields = tuple(Field(name=name, kind=kind) for name, kind in kinds.items())
    return mnemonic, Form(mnemonic=mnemonic, opcode=opcode, instruction=instruction, fields=fields)


def _with_options(
    named: tuple[str, Form], opcodes: dict[tuple[str, ...], int], **kinds: Kind
) -> tuple[str, Form]:
    """Return a form with fields that may be left out; ``opcodes`` by the names of those given."""
    mnemonic, form = named
    fields = {name: Field(name=name, kind=kind) for name, kind in kinds.items()}
    choices = tuple(
        (tuple(fields[name] for name in names), opcode) for names, opcode in opcodes.items()
    )
    return mnemonic, replace(form, options=tuple(fields.values()), option_opcodes=choices)


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
        _with_options(
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
            {("dataflow",): 0x21, ("stored",): 0x22, ("dataflow", "stored"): 0x23},
            dataflow=Kind.DATAFLOW,
            stored=Kind.STORED,
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
FORM_OF_OPCODE = {
    opcode: (form, fields) for form in FORMS.values() for opcode, fields in form.codes.items()
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
