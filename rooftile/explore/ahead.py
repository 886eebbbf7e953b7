"""Which settings are searched while nobody asks: those that a page's user is likely to ask next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rooftile.explore.space import Knob, Setting

#: Places along the knob that moved last, in its direction; others are looked at one place away.
FARTHEST = 3


def neighbours(knobs: Sequence[Knob], before: Setting, setting: Setting) -> Iterator[Setting]:
    """Yield the settings around one, the likeliest first.

    Those along the knobs that moved since the setting before it come first.
    """
    steps = [now - was for was, now in zip(before, setting, strict=True)]
    for number in sorted(range(len(knobs)), key=lambda n: steps[n] == 0):
        forward = -1 if steps[number] < 0 else 1
        farthest = FARTHEST if steps[number] else 1
        for step in (*range(1, farthest + 1), -1):
            place = setting[number] + forward * step
            if 0 <= place < len(knobs[number].values):
                yield (*setting[:number], place, *setting[number + 1 :])
