"""The dataflows of a map space: which are tried, and the best of what was found in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from accel.spec import AcceleratorSpec
from mapper.constraints import NO_RULES, LayerRules
from mapper.kernel import Contraction, Kernel
from mapper.search.problem import Coverage
from mapper.search.shortlist import Candidate


def dataflows_of(
    kernel: Kernel, spec: AcceleratorSpec, name: str, rules: LayerRules = NO_RULES
) -> tuple[str | None, ...]:
    """Return the dataflows that are tried for a kernel: None alone where there is no choice.

    Each is searched as if it were the array's only one.

    Parameters
    ----------
    kernel, spec
        What is mapped, onto what.
    name
        The layer's, for the error.
    rules
        What may not be tried.

    Raises
    ------
    MappingError
        When a constraint leaves none.
    """
    if not isinstance(kernel.body, Contraction):
        return (None,)
    allowed = rules.allowed_dataflows(spec.array.dataflows, name)
    return allowed if spec.array.other_dataflows else (None,)


def in_dataflow(one: Candidate, dataflow: str | None) -> Candidate:
    """Return a mapping that was found as if its dataflow were the array's only one."""
    return replace(one, mapping=replace(one.mapping, dataflow=dataflow))


def joined(parts: Sequence[Coverage]) -> Coverage:
    """Return what searches of several dataflows have looked at together."""
    return Coverage(
        counted=sum(part.counted for part in parts),
        scored=sum(part.scored for part in parts),
        pruned=sum(part.pruned for part in parts),
        least=min(part.least for part in parts),
        bound=min(part.bound for part in parts),
        is_complete=all(part.is_complete for part in parts),
    )
