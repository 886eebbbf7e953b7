"""A model that answers prompts: the prefill, and the steps of decoding without running them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from accel.spec import AcceleratorSpec
from foundation.errors import WorkloadError
from foundation.monotone_sum import monotone_sum
from mapper.planner import memory_bytes
from mapper.search.find import DEFAULT, SearchOptions
from reports.generation import GenerationReport
from reports.report import capacity_warnings
from rooftile.layer_prices import LayerPrices
from rooftile.sources import find_hardware
from workloads.graph import Graph
from workloads.loaders.asked import AS_IT_IS, Asked
from workloads.loaders.huggingface.generation import cache_bytes, passes_of

#: The largest error of the sum over all steps, where nobody says.
TOLERANCE = 0.005


def generate(
    network: str | Path,
    hardware: str | Path | AcceleratorSpec,
    *,
    prompt: int | str,
    tokens: int,
    asked: Asked = AS_IT_IS,
    tolerance: float = TOLERANCE,
    split: str = "auto",
    options: SearchOptions = DEFAULT,
    engine: str = "analytical",
    progress: Callable[[str], None] | None = None,
) -> GenerationReport:
    """Return what it takes to answer prompts: a prefill, then a step for each further token.

    Layers that don't depend on the context are simulated once. The others are simulated at as many
    contexts as the tolerance asks for; between two of them, a step's cycles are taken to lie on a
    line.

    Parameters
    ----------
    network
        A Hugging Face ``config.json``.
    hardware
        A preset's name, a file, or a spec.
    prompt
        Tokens of a prompt, or those of a batch of mixed lengths, such as ``512,64x3``.
    tokens
        That are written, the first one by the prefill.
    asked
        Batch, dtype, beams and dimensions.
    tolerance
        How far off the sum over all steps may be, as a part of it, if no step takes less than one
        with a smaller context; with 0 every step is simulated.
    split, options, engine, progress
        As in `rooftile.simulation.simulate`.

    Raises
    ------
    WorkloadError, SpecError, MappingError
        When the input is wrong, or the network doesn't fit the machine.
    """
    spec = hardware if isinstance(hardware, AcceleratorSpec) else find_hardware(str(hardware))
    prices = LayerPrices(spec, split=split, options=options, engine=engine, progress=progress)
    return answer(
        Path(network), prices, prompt=str(prompt), tokens=tokens, asked=asked, tolerance=tolerance
    )


def answer(
    path: Path, prices: LayerPrices, *, prompt: str, tokens: int, asked: Asked, tolerance: float
) -> GenerationReport:
    """As `generate`, at prices that others may have asked for, too."""
    if asked.phase is not None:
        raise WorkloadError(
            f"phase '{asked.phase}': a generation has all of them; leave --phase out"
        )
    if asked.training is not None:
        raise WorkloadError("a generation answers prompts and trains nothing; leave --training out")
    for name, value in (("tokens", tokens), ("beams", asked.beams)):
        if value < 1:
            raise WorkloadError(f"{name} is {value} but must be at least 1")
    passes, spec = passes_of(path, asked, prompt=prompt, tokens=tokens), prices.spec
    first = sum(prices.cycles(passes.first).values())
    layers: dict[int, dict[str, int]] = {}

    def step_cycles(context: int) -> int:
        layers[context] = prices.cycles(passes.step(context))
        return sum(layers[context].values())

    steps, growing, caches, last = None, (0, 0), 0, passes.first
    if passes.contexts:
        steps = monotone_sum(step_cycles, passes.contexts, tolerance=tolerance)
        growing = _growing(layers[passes.contexts[0]], layers[passes.contexts[-1]])
        last = passes.step(passes.contexts[-1])
        caches = cache_bytes(last)
    return GenerationReport(
        network=passes.first.name,
        batch=passes.first.batch,
        beams=asked.beams,
        spec=spec,
        prompt=prompt,
        tokens=tokens,
        first_cycles=first,
        contexts=passes.contexts,
        steps=steps,
        growing_cycles=growing,
        cache_bytes=caches,
        warnings=tuple(_warnings(passes.first, spec) or _warnings(last, spec)),
    )


def _warnings(graph: Graph, spec: AcceleratorSpec) -> list[str]:
    return capacity_warnings(spec, memory_bytes(graph, spec))


def _growing(first: Mapping[str, int], last: Mapping[str, int]) -> tuple[int, int]:
    """Return the cycles of those layers of two steps that don't take the same in both."""
    names = [name for name, cycles in first.items() if cycles != last[name]]
    return sum(first[name] for name in names), sum(last[name] for name in names)
