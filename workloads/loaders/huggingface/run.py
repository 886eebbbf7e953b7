"""Which part of a network's work is built: a whole pass, a prefill, or a step of decoding."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from foundation.errors import WorkloadError, nearest
from workloads.loaders.asked import Asked
from workloads.loaders.huggingface.settings import Settings

#: Tokens of a pass where nobody says: no more than this, however long the context may be.
USUAL_TOKENS = 2048

_LENGTH = r"[1-9][0-9]{0,11}(?:x[1-9][0-9]{0,5})?"
_LENGTHS = rf"{_LENGTH}(?:,{_LENGTH})*"
_PHASE = re.compile(rf"prefill:({_LENGTHS})|decode:([1-9][0-9]{{0,11}})@({_LENGTHS})")


class Reads(Enum):
    """What flows through a network, and so what can be asked of it."""

    ENCODED = "encoder"  # tokens, all at once
    GENERATED = "decoder"  # tokens, which it continues
    TRANSLATED = "encoder and decoder"  # tokens, from which it makes others
    HEARD = "audio encoder and decoder"  # sound of one length, from which it makes tokens
    SEEN = "image encoder"  # an image of one size


#: Dimensions that may be asked for.
DIMS: Mapping[Reads, tuple[str, ...]] = {
    Reads.ENCODED: ("seq",),
    Reads.GENERATED: ("seq",),
    Reads.TRANSLATED: ("seq", "target"),
    Reads.HEARD: ("target",),
    Reads.SEEN: (),
}


_OF_TWO_PARTS = (Reads.TRANSLATED, Reads.HEARD)
_OF_ONE_SIZE = (Reads.HEARD, Reads.SEEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Sizes of one pass.

    Parameters
    ----------
    batch
        Sequences at once.
    tokens
        Tokens of each sequence that are computed; those of the decoder where there are two parts.
    context
        In a step of decoding, tokens that attention sees, new ones included: the rows of caches.
        None where keys and values are computed in the same pass.
    source
        Tokens of the encoder where there are two parts.
    last_only
        Whether only what follows the last token is asked for.
    beams
        In a step of decoding, how many neighbours along the batch are beginnings of one answer.
    page
        Tokens of a page of a cache; None where caches are in one piece.
    parts
        Of a batch of mixed lengths: a run for each length. The tokens of all of them are those of
        one sequence, part after part.
    """

    batch: int
    tokens: int
    context: int | None = None
    source: int = 0
    last_only: bool = False
    beams: int = 1
    page: int | None = None
    parts: tuple[Run, ...] = ()

    @property
    def cache_rows(self) -> int:
        """Rows of a cache without a window: in pages, those of whole ones."""
        assert self.context is not None, "only steps of decoding have caches"
        return self.context if self.page is None else -(-self.context // self.page) * self.page

    @property
    def sequences(self) -> int:
        """Sequences at once, of all parts."""
        return sum(part.batch for part in self.parts) or self.batch

    @property
    def is_step(self) -> bool:
        """Whether keys and values of earlier tokens come from caches."""
        return self.context is not None


def run_of(asked: Asked, reads: Reads, settings: Settings) -> Run:
    """Return the sizes of the pass that a user asks for.

    Raises
    ------
    WorkloadError
        For a dimension or a phase that the network doesn't have, or more tokens than positions.
    """
    _check_dims(asked, reads)
    batch = asked.batch or 1
    usual = settings.usual_tokens
    sequence = asked.dims.get("seq", usual if reads in _OF_ONE_SIZE else min(usual, USUAL_TOKENS))
    if asked.phase is not None:
        run = _phase(asked, reads, batch, sequence)
    elif reads in _OF_TWO_PARTS:
        target = asked.dims.get("target", min(settings.usual_target, USUAL_TOKENS))
        run = Run(batch=batch, tokens=target, source=sequence)
    else:
        run = Run(batch=batch, tokens=sequence)
    if asked.page is not None and not run.is_step:
        raise WorkloadError(
            "only steps of decoding (--phase decode:TOKENS@CONTEXT) read caches in pages; leave"
            " --page out"
        )
    limit = settings.position_limit
    source = run.source if reads is Reads.TRANSLATED else 0
    tokens = max(max(part.tokens, part.context or 0, source) for part in run.parts or (run,))
    if limit is not None and tokens > limit:
        raise WorkloadError(
            f"{tokens} tokens are asked for but there are positions for {limit}; ask for fewer"
        )
    return run


def _check_dims(asked: Asked, reads: Reads) -> None:
    known = DIMS[reads]
    for name in asked.dims:
        if name not in known:
            choice = f"only {' and '.join(known)}" if known else "none to choose"
            raise WorkloadError(f"has no dimension '{name}' but {choice}{nearest(name, known)}")


def _phase(asked: Asked, reads: Reads, batch: int, sequence: int) -> Run:
    """Return the sizes of a phase."""
    text = asked.phase or ""
    if reads in (Reads.ENCODED, Reads.SEEN):
        instead = ", or give --dim seq" if DIMS[reads] else ""
        raise WorkloadError(
            f"has no phase '{text}': it generates no tokens; leave --phase out{instead}"
        )
    match = _PHASE.fullmatch(text)
    if match is None:
        raise WorkloadError(
            f"phase '{text}': must be prefill:TOKENS or decode:TOKENS@CONTEXT, such as"
            " prefill:2048 or decode:1@2048; a batch of mixed lengths has several with commas"
            " between, such as prefill:2048,512x3"
        )
    prompts, new, contexts = match.groups()
    # In a step of decoding, the tokens of an encoder are another matter.
    said = {"target"} if new and reads is Reads.TRANSLATED else {"seq", "target"}
    for name in sorted(said & set(asked.dims)):
        raise WorkloadError(f"phase '{text}': says what --dim {name} would; leave out one")
    lengths = lengths_of(prompts or contexts)
    if not _is_plain(prompts or contexts):
        if asked.batch is not None:
            raise WorkloadError(f"phase '{text}': says what --batch would; leave out one")
        batch = 0  # that of each length
    if prompts:
        runs = [_prefill(n, reads, batch or count, sequence) for n, count in lengths.items()]
    else:
        source = sequence if reads in _OF_TWO_PARTS else 0
        runs = [
            _step(asked, int(new), n, (batch or count) * asked.beams, source)
            for n, count in lengths.items()
        ]
    if len(runs) == 1:
        return runs[0]
    tokens = sum(run.batch * run.tokens for run in runs)
    return replace(runs[0], batch=1, tokens=tokens, parts=tuple(runs))


def lengths_of(text: str) -> dict[int, int]:
    """Return lengths to how many sequences have them: ``512,64x3`` is one of 512 and 3 of 64.

    Raises
    ------
    WorkloadError
        When the text doesn't say lengths.
    """
    if re.fullmatch(_LENGTHS, text) is None:
        raise WorkloadError(
            f"lengths '{text}': must be numbers with commas between, such as 512 or 512,64x3"
        )
    lengths: dict[int, int] = {}
    for part in text.split(","):
        length, _, count = part.partition("x")
        lengths[int(length)] = lengths.get(int(length), 0) + int(count or 1)
    return lengths


def _is_plain(text: str) -> bool:
    """Whether a text of lengths is one number, and says nothing of the batch."""
    return text.isdecimal()


def _step(asked: Asked, tokens: int, context: int, batch: int, source: int) -> Run:
    """Return a step of decoding."""
    if context < tokens:
        raise WorkloadError(
            f"phase '{asked.phase}': the context is {context} but includes the {tokens} new tokens;"
            " raise it"
        )
    return Run(
        batch=batch,
        tokens=tokens,
        context=context,
        source=source,
        beams=asked.beams,
        page=asked.page,
    )


def _prefill(prompt: int, reads: Reads, batch: int, sequence: int) -> Run:
    """Return the pass that ends in the first new token."""
    if reads is Reads.TRANSLATED:  # the prompt is the encoder's; the decoder starts from one token
        return Run(batch=batch, tokens=1, source=prompt, last_only=True)
    source = sequence if reads is Reads.HEARD else 0
    return Run(batch=batch, tokens=prompt, source=source, last_only=True)
