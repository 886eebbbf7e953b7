"""The matrix and vector instructions of a kernel's tiles."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from foundation.dtype import DTYPES
from isa.instruction import Access, MatMul, Vector
from mapper.boxes import OperandTiles
from mapper.kernel import Contraction, Kernel, Role, VectorBody
from mapper.mapping import Mapping


class Place(NamedTuple):
    """Where something begins: an address space, and an address."""

    space: int
    base: int


class Instructions:
    """What a kernel's tiles become; how operands lie is the mapping's.

    Parameters
    ----------
    kernel, mapping
        What is computed, and how.
    """

    def __init__(self, kernel: Kernel, mapping: Mapping) -> None:
        self._kernel = kernel
        self._mapping = mapping
        self._groups, self._rows, self._columns, self._reduced = (
            kernel.numbers(role) for role in (Role.GROUP, Role.M, Role.N, Role.K)
        )
        self._kept = [*self._groups, *self._rows, *self._columns]
        self._output = OperandTiles(kernel, kernel.output, mapping.layout(len(kernel.inputs)))
        self.psum_strides = cache(self._psum_strides)

    def product(
        self,
        size: tuple[int, ...],
        data: Access,
        weight: Access,
        psum: Place,
        *,
        accumulate: bool,
        tag: int,
    ) -> MatMul:
        """Return the matrix instruction of a tile of ``size`` iterations."""
        (column,) = self._columns
        strides = (*self.psum_strides(size), *(0 for _ in self._reduced))
        return MatMul(
            groups=tuple([size[number] for number in self._groups]),
            m=tuple([size[number] for number in self._rows]),
            n=size[column],
            k=tuple([size[number] for number in self._reduced]),
            input=data,
            weight=weight,
            psum=Access(space=psum.space, base=psum.base, strides=strides),
            accumulate=accumulate,
            dtype=self._kernel.multiplied,
            tag=tag,
            dataflow=self._mapping.dataflow,
            stored=self._kernel.stored,
        )

    def result(
        self,
        size: tuple[int, ...],
        psum: Place,
        biases: Sequence[Access],
        output: Place,
        *,
        tag: int,
    ) -> Vector:
        """Return what makes outputs of a tile's psums: bias, requantization, activation."""
        body, dtype = self._kernel.body, self._kernel.output.dtype
        assert isinstance(body, Contraction)
        sums = Access(space=psum.space, base=psum.base, strides=self.psum_strides(size))
        return Vector(
            function=body.result_function,
            shape=tuple([size[number] for number in self._kept]),
            reduced=0,
            inputs=(sums, *(self._along_kept(bias) for bias in biases)),
            output=self._along_kept(self._written(size, output)),
            input_dtype=DTYPES[dtype.accumulator],
            output_dtype=dtype,
            shift=body.shift if dtype.is_integer else 0,
            activation=body.activation,
            tag=tag,
        )

    def function(
        self, size: tuple[int, ...], inputs: Sequence[Access], output: Place, *, tag: int
    ) -> Vector:
        """Return the vector instruction of a tile without products."""
        kernel, body = self._kernel, self._kernel.body
        assert isinstance(body, VectorBody)
        return Vector(
            function=body.function,
            shape=size,
            reduced=body.reduced(len(kernel.numbers(Role.WHOLE))),
            inputs=tuple(inputs),
            output=self._written(size, output),
            input_dtype=kernel.inputs[0].dtype,
            output_dtype=kernel.output.dtype,
            shift=body.shift if kernel.output.dtype.is_integer else 0,
            activation=body.activation,
            tag=tag,
        )

    def _written(self, size: tuple[int, ...], output: Place) -> Access:
        strides = self._output.iteration_strides(size)
        return Access(space=output.space, base=output.base, strides=strides)

    def _psum_strides(self, size: tuple[int, ...]) -> tuple[int, ...]:
        """Return the strides of psums along groups, M and N."""
        accumulator = DTYPES[self._kernel.inputs[0].dtype.accumulator]
        kept = [size[number] for number in self._kept]
        return self._mapping.layout(-1).strides(kept, accumulator.size_bytes)

    def _along_kept(self, access: Access) -> Access:
        """Return an access without the dimensions of K."""
        strides = tuple([access.strides[number] for number in self._kept])
        return Access(space=access.space, base=access.base, strides=strides)
