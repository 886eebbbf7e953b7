"""Which part of a network's work is built: a whole pass, a prefill, or a step of decoding."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from foundation.errors import WorkloadError, nearest
from workloads.loaders.asked import Asked
from workloads.loaders.huggingface.settings import Settings

#: Tokens of a pass where nobody says: no more than this, however long the context may be.
USUAL_TOKENS = 2048

_PHASE = re.compile(r"prefill:([1-9][0-9]{0,11})|decode:([1-9][0-9]{0,11})@([0-9]{1,12})")


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
    """

    batch: int
    tokens: int
    context: int | None = None
    source: int = 0
    last_only: bool = False
    beams: int = 1

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
    limit, tokens = settings.position_limit, max(run.tokens, run.context or 0)
    if reads is Reads.TRANSLATED:
        tokens = max(tokens, run.source)
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
            " prefill:2048 or decode:1@2048"
        )
    prompt, new, context = (int(group or 0) for group in match.groups())
    # In a step of decoding, the tokens of an encoder are another matter.
    said = {"target"} if new and reads is Reads.TRANSLATED else {"seq", "target"}
    for name in sorted(said & set(asked.dims)):
        raise WorkloadError(f"phase '{text}': says what --dim {name} would; leave out one")
    if prompt:
        return _prefill(prompt, reads, batch, sequence)
    if context < new:
        raise WorkloadError(
            f"phase '{text}': the context is {context} but includes the {new} new tokens; raise it"
        )
    source = sequence if reads in _OF_TWO_PARTS else 0
    return Run(
        batch=batch * asked.beams, tokens=new, context=context, source=source, beams=asked.beams
    )


def _prefill(prompt: int, reads: Reads, batch: int, sequence: int) -> Run:
    """Return the pass that ends in the first new token."""
    if reads is Reads.TRANSLATED:  # the prompt is the encoder's; the decoder starts from one token
        return Run(batch=batch, tokens=1, source=prompt, last_only=True)
    source = sequence if reads is Reads.HEARD else 0
    return Run(batch=batch, tokens=prompt, source=source, last_only=True)
