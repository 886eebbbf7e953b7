"""A whole generation: the pass over the prompt, and a step for every token after the first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from foundation.errors import WorkloadError
from workloads.graph import Graph, TensorKind
from workloads.loaders.asked import Asked
from workloads.loaders.huggingface.load import load, reads_of
from workloads.loaders.huggingface.run import Reads, lengths_of


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


def passes_of(path: Path, asked: Asked, *, prompt: str, tokens: int) -> Passes:
    """Return the passes in which a model answers prompts.

    Parameters
    ----------
    path
        The model's ``config.json``.
    asked
        Batch, dtype, beams and dimensions; no phase.
    prompt
        Tokens that are read, those of the encoder where the model translates: a number, or those
        of a batch of mixed lengths, as in a phase.
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
    lengths = lengths_of(prompt)
    first = load(path, replace(asked, phase=f"prefill:{prompt}", beams=1, page=None))
    translates = reads_of(path) is Reads.TRANSLATED
    # The token that begins a translation is the first of the decoder, the prompt's last one else.
    begin = 1 if translates else max(lengths)
    dims = {**asked.dims, "seq": max(lengths)} if translates else asked.dims

    def step(context: int) -> Graph:
        contexts = _longer("1" if translates else prompt, context - begin)
        return load(path, replace(asked, phase=f"decode:1@{contexts}", dims=dims))

    contexts = range(begin + 1, begin + tokens)
    if contexts:
        step(contexts[-1])  # there must be positions for it, before anything is simulated
    return Passes(first=first, contexts=contexts, step=step)


def _longer(lengths: str, more: int) -> str:
    """Return a text of lengths in which each is longer."""
    parts = (part.partition("x") for part in lengths.split(","))
    return ",".join(f"{int(length) + more}{sign}{count}" for length, sign, count in parts)


def cache_bytes(graph: Graph) -> int:
    """Return the bytes of a step's caches and states: what each inference leaves for the next."""
    return sum(
        tensor.size_bytes
        for tensor in graph.tensors.values()
        if tensor.kind is TensorKind.INPUT and tensor.name.endswith(("_cache", ".state"))
    )
