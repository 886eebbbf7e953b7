"""The YAML format of scenarios, as pydantic models."""

from __future__ import annotations

from math import fsum
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from foundation.distribution import ROUNDING
from foundation.validation import describe
from workloads.loaders.fields import Integer, ParameterName

Probability = Annotated[float, Field(ge=0, le=1)]
#: Whole numbers, as text because keys of a YAML file are, to their probabilities.
Chances = Annotated[dict[str, Probability], Field(min_length=1)]
#: More requests, or turns of a loop, than anybody means.
MAX_COUNT = 10**6


class _Part(BaseModel):
    """A mapping of the file: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Branch(_Part):
    """What runs with some probability; nothing at all without ``run``."""

    probability: Probability
    run: Node | None = None


class Stage(_Part):
    """A part of a cascade, after which the answer is final with some probability."""

    run: Node
    exit: Probability | None = Field(default=None, description="Not of the last stage.")


class Loop(_Part):
    """What runs several times, one after the other."""

    times: Integer | Chances = Field(description="How often; or numbers, to their probabilities.")
    run: Node

    @model_validator(mode="after")
    def _chances_are_whole(self) -> Self:
        if isinstance(self.times, dict):
            check_chances(self.times, "times", least=0)
        return self


_KINDS = ("network", "sequence", "choice", "cascade", "loop", "parallel")


class Node(_Part):
    """One of: a network, a sequence, a choice, a cascade, a loop, parallel parts."""

    network: str | None = Field(default=None, description="A name of the zoo, or a file.")
    batch: Integer | None = None
    dtype: str | None = None
    phase: str | None = Field(default=None, description="With parameters in braces.")
    page: Integer | None = None
    dims: dict[str, Integer] = {}
    prompt: Integer | None = Field(default=None, description="With tokens: a whole answer.")
    tokens: Integer | None = None
    beams: Integer | None = None
    sequence: list[Node] | None = None
    choice: Annotated[list[Branch], Field(min_length=1)] | None = None
    cascade: Annotated[list[Stage], Field(min_length=1)] | None = None
    loop: Loop | None = None
    parallel: Annotated[list[Node], Field(min_length=1)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _is_one_thing(cls, data: Any) -> Any:
        if isinstance(data, dict):
            kinds = [kind for kind in _KINDS if kind in data]
            if len(kinds) != 1:
                said = f"has {' and '.join(kinds)}" if kinds else "has none of them"
                raise ValueError(f"must be one of {', '.join(_KINDS)} but {said}")
            others = set(cls.model_fields) - set(_KINDS)
            strays = sorted(others & set(data)) if kinds != ["network"] else []
            if strays:
                raise ValueError(f"key '{strays[0]}' is of a network but this is a {kinds[0]}")
        return data

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.prompt is None) != (self.tokens is None):
            raise ValueError("an answer needs both prompt and tokens; add the other one")
        if self.prompt is not None and self.phase is not None:
            raise ValueError("an answer has all phases; leave out phase, or prompt and tokens")
        if self.beams is not None and self.prompt is None:
            raise ValueError("beams are of answers; add prompt and tokens")
        if self.choice is not None:
            check_sum([branch.probability for branch in self.choice], "choice")
        if self.cascade is not None:
            self._check_exits(self.cascade)
        return self

    @staticmethod
    def _check_exits(cascade: list[Stage]) -> None:
        *before, last = cascade
        if last.exit is not None:
            raise ValueError("cascade: behind the last stage nothing is left; leave out its exit")
        if any(stage.exit is None for stage in before):
            raise ValueError("cascade: every stage but the last needs an exit, a probability")


class Draw(_Part):
    """How a parameter of requests is drawn."""

    uniform: tuple[int, int] | None = Field(default=None, description="Least and largest.")
    values: Chances | None = Field(default=None, description="Numbers, to their probabilities.")
    multiple_of: Annotated[int, Field(ge=1)] = Field(default=1, description="Rounded up to one.")

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if (self.uniform is None) == (self.values is None):
            raise ValueError("must have either uniform or values")
        if self.uniform is not None and not 0 <= self.uniform[0] <= self.uniform[1]:
            raise ValueError(
                f"uniform must go from a number to one that isn't smaller but is"
                f" {list(self.uniform)}"
            )
        if self.values is not None:
            check_chances(self.values, "values", least=0)
        return self


class Requests(_Part):
    """What is asked for: lines of a file, or random numbers."""

    file: str | None = Field(default=None, description="CSV, a request a line.")
    count: Annotated[int, Field(ge=1, le=MAX_COUNT)] | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    draw: dict[ParameterName, Draw] = {}

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if (self.file is None) == (self.count is None):
            raise ValueError("must have either file, or count and draw")
        if self.file is not None and self.draw:
            raise ValueError("a file says all requests; leave out draw")
        return self


class ScenarioFile(_Part):
    """A scenario."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    source: str | None = None
    parameters: dict[ParameterName, int] = {}
    requests: Requests | None = None
    run: Node


def check_sum(probabilities: list[float], what: str) -> None:
    """Raise ValueError unless probabilities add up to 1."""
    total = fsum(probabilities)
    if abs(total - 1) > ROUNDING:
        raise ValueError(f"{what}: probabilities add up to {total:.10g} but must add up to 1")


def check_chances(chances: dict[str, float], what: str, *, least: int) -> None:
    """Raise ValueError unless numbers are whole, and their probabilities add up to 1."""
    for text in chances:
        if not (text.isascii() and text.isdecimal()) or not least <= int(text) <= MAX_COUNT:
            raise ValueError(
                f"{what}: must be whole numbers from {least} to {MAX_COUNT} but one is"
                f" {describe(text)}"
            )
    check_sum(list(chances.values()), what)
