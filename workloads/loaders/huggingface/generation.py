"""A whole generation: the pass over the prompt, and a step for every token after the first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from foundation.errors import WorkloadError
from workloads.graph import Graph, TensorKind
from workloads.loaders.asked import Asked
from workloads.loaders.huggingface.load import load, reads_of
from workloads.loaders.huggingface.run import Reads


@dataclass(frozen=True, slots=True, kw_only=True)
class Passes:
    """The networks that an answer takes.

    Parameters
    ----------
    first
        Reads the prompt and gives the first token.
    contexts
        Those of the steps that give the others: one token each, which attention sees, too.
    step
        Context to the network of a step.
    """

    first: Graph
    contexts: range
    step: Callable[[int], Graph]


def passes_of(path: Path, asked: Asked, *, prompt: int, tokens: int) -> Passes:
    """Return the passes in which a model answers a prompt.

    Parameters
    ----------
    path
        The model's ``config.json``.
    asked
        Batch, dtype, beams and dimensions; no phase.
    prompt
        Tokens that are read: those of the encoder where the model translates.
    tokens
        That are written.

    Raises
    ------
    WorkloadError
        When the file isn't a configuration that generates tokens, or there are fewer positions.
    """
    if path.suffix != ".json":
        raise WorkloadError(
            f"{path}: generation needs the prefill and the steps of one model; give a Hugging Face"
            " config.json"
        )
    first = load(path, replace(asked, phase=f"prefill:{prompt}", beams=1))
    translates = reads_of(path) is Reads.TRANSLATED
    # The token that begins a translation is the first of the decoder, the prompt's last one else.
    begin = 1 if translates else prompt
    dims = {**asked.dims, "seq": prompt} if translates else asked.dims

    def step(context: int) -> Graph:
        return load(path, replace(asked, phase=f"decode:1@{context}", dims=dims))

    contexts = range(begin + 1, begin + tokens)
    if contexts:
        step(contexts[-1])  # there must be positions for it, before anything is simulated
    return Passes(first=first, contexts=contexts, step=step)


def cache_bytes(graph: Graph) -> int:
    """Return the bytes of a step's caches and states: what each inference leaves for the next."""
    return sum(
        tensor.size_bytes
        for tensor in graph.tensors.values()
        if tensor.kind is TensorKind.INPUT and tensor.name.endswith(("_cache", ".state"))
    )
