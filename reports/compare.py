"""Two runs side by side: what is faster, by how much, what changed, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import exp, fsum, inf, log

from foundation.errors import OutputError
from reports.finished_run import OPERANDS, LayerRecord, RunRecord

#: What all cycles of a layer are, where one of two runs doesn't know why it stalls.
COMPUTE, STALL = "compute", "stall"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A key of the configuration that two runs have not in common; None where one lacks it."""

    part: str
    key: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What the same layers take in two runs: one layer, or all.

    Parameters
    ----------
    parts
        Compute and what is stalled for, to the seconds for an inference that either run spends on
        it; they add up to all of its time.
    """

    parts: Mapping[str, tuple[Fraction, Fraction]]

    @property
    def before_s(self) -> Fraction:
        """Seconds for an inference in the first run."""
        return sum((before for before, _ in self.parts.values()), Fraction(0))

    @property
    def after_s(self) -> Fraction:
        """Seconds for an inference in the second run."""
        return sum((after for _, after in self.parts.values()), Fraction(0))

    @property
    def saved_s(self) -> dict[str, Fraction]:
        """Part to the seconds that the second run spends less on it, negative if more."""
        return {part: before - after for part, (before, after) in self.parts.items()}

    @property
    def speed_up(self) -> float | None:
        """The first run's time over the second's; None where both take none."""
        if self.before_s == self.after_s == 0:
            return None
        return float(self.before_s / self.after_s) if self.after_s else inf

    @property
    def main_part(self) -> str | None:
        """What most of the difference is; None where there is none."""
        saved_s = self.saved_s
        total_s = sum(saved_s.values())
        if not total_s:
            return None
        return max(saved_s, key=lambda part: saved_s[part] * (1 if total_s > 0 else -1))

    def is_slower_by_more(self, limit: Fraction) -> bool:
        """Whether the second run takes more than ``1 + limit`` of the first one's time."""
        return self.after_s > self.before_s * (1 + limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerDifference:
    """A layer that both runs have, by its name."""

    name: str
    before: LayerRecord
    after: LayerRecord
    difference: Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A run beside the one that it is measured against.

    Times are for an inference, so that runs of different batches compare.
    """

    before: RunRecord
    after: RunRecord

    @property
    def layers(self) -> tuple[LayerDifference, ...]:
        """Layers of both runs in the first one's order."""
        after = {layer.name: layer for layer in self.after.layers}
        return tuple(
            LayerDifference(
                name=layer.name,
                before=layer,
                after=after[layer.name],
                difference=self._difference([layer], [after[layer.name]]),
            )
            for layer in self.before.layers
            if layer.name in after
        )

    @property
    def only_before(self) -> tuple[LayerRecord, ...]:
        """Layers of the first run alone."""
        return _without(self.before.layers, self.after.layers)

    @property
    def only_after(self) -> tuple[LayerRecord, ...]:
        """Layers of the second run alone."""
        return _without(self.after.layers, self.before.layers)

    @property
    def total(self) -> Difference:
        """All layers of each run."""
        return self._difference(self.before.layers, self.after.layers)

    @property
    def timed_layers(self) -> tuple[LayerDifference, ...]:
        """Layers of both runs that take time in both."""
        return tuple(
            layer for layer in self.layers if layer.before.total_cycles and layer.after.total_cycles
        )

    @property
    def geometric_mean(self) -> float | None:
        """Geometric mean of the speed-ups of ``timed_layers``, unweighted; None without any."""
        logarithms = [log(layer.difference.speed_up or 1) for layer in self.timed_layers]
        return exp(fsum(logarithms) / len(logarithms)) if logarithms else None

    @property
    def changes(self) -> tuple[Change, ...]:
        """Keys of network, machine and options that differ, in the first one's order."""
        before, after = self.before.configuration(), self.after.configuration()
        return tuple(
            Change(part=part, key=key, before=before.get((part, key)), after=after.get((part, key)))
            for part, key in {**before, **after}
            if before.get((part, key)) != after.get((part, key))
        )

    @property
    def dram_bytes(self) -> dict[str, tuple[float, float]]:
        """Operand to the main-memory bytes for an inference of both runs."""
        return {
            operand: (_bytes(self.before, operand), _bytes(self.after, operand))
            for operand in OPERANDS
        }

    @property
    def bound_shares(self) -> dict[str, tuple[float, float]]:
        """What layers are bound by, to its share of both runs' times."""
        before, after = (run.summary["time_share_by_bound"] for run in (self.before, self.after))
        return {name: (before.get(name, 0.0), after.get(name, 0.0)) for name in {**before, **after}}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader should know before trusting the numbers."""
        before, after = self.before.summary, self.after.summary
        found = [
            f"{what} differ: {before[key]} and {after[key]}{consequence}"
            for key, what, consequence in (
                ("network", "networks", "; layers compare by their names alone"),
                ("tool_version", "versions of Rooftile", ""),
                ("engine", "engines", "; causes of stalls don't compare"),
                ("batch", "batches", "; times are for an inference"),
            )
            if before[key] != after[key]
        ]
        other = [layer.name for layer in self.layers if self._does_other_work(layer)]
        if other:
            found.append(
                f"layers of equal names do other work: {', '.join(other[:3])}"
                f"{f' and {len(other) - 3} more' if len(other) > 3 else ''}"
            )
        return tuple(found)

    def regressions(self, limit: Fraction, *, per_layer: bool) -> tuple[str, ...]:
        """Return the total, or else each layer, that is slower by more than ``limit``, as text.

        Raises
        ------
        OutputError
            When the runs are of different networks.
        """
        networks = [run.summary["network"] for run in (self.before, self.after)]
        if networks[0] != networks[1]:
            raise OutputError(
                f"folder '{self.after.name}': is a run of '{networks[1]}' but '{self.before.name}'"
                f" is one of '{networks[0]}'; look for regressions in runs of one network"
            )
        compared = [("the total", self.total)]
        if per_layer:
            compared += [(f"layer '{layer.name}'", layer.difference) for layer in self.layers]
        return tuple(
            f"{self.after.name}: {what} is {_slower(difference)} than in {self.before.name},"
            f" more than {float(100 * limit):g}%"
            for what, difference in compared
            if difference.is_slower_by_more(limit)
        )

    def _difference(
        self, before: Sequence[LayerRecord], after: Sequence[LayerRecord]
    ) -> Difference:
        knows = all(run.knows_causes for run in self._runs)
        first, second = (
            {part: run.seconds(cycles) for part, cycles in _parts(layers, knows).items()}
            for run, layers in zip(self._runs, (before, after), strict=True)
        )
        none = Fraction(0)
        return Difference(
            parts={
                part: (first.get(part, none), second.get(part, none))
                for part in {**first, **second}
            }
        )

    @property
    def _runs(self) -> tuple[RunRecord, RunRecord]:
        return self.before, self.after

    def _does_other_work(self, layer: LayerDifference) -> bool:
        (before, after), (first, second) = (layer.before, layer.after), self._runs
        return before.operator != after.operator or any(
            ours * second.summary["batch"] != theirs * first.summary["batch"]
            for ours, theirs in (
                (before.macs, after.macs),
                (before.operations, after.operations),
            )
        )


def compare_runs(runs: Sequence[RunRecord]) -> tuple[Comparison, ...]:
    """Return each run but the first beside the first.

    Raises
    ------
    OutputError
        When there is only one, or two have no layer in common.
    """
    first, *others = runs
    if not others:
        raise OutputError(f"'{first.name}': one run alone doesn't compare; give two or more")
    comparisons = tuple(Comparison(before=first, after=other) for other in others)
    for comparison in comparisons:
        if not comparison.layers:
            raise OutputError(
                f"folders '{first.name}' and '{comparison.after.name}': no layer has the same name"
                " in both; compare runs of one network"
            )
    return comparisons


def _parts(layers: Iterable[LayerRecord], knows_causes: bool) -> dict[str, int]:
    """Return what layers' cycles go to; the cycles add up."""
    parts: dict[str, int] = {COMPUTE: 0}
    for layer in layers:
        parts[COMPUTE] += layer.compute_cycles
        stalls = layer.causes if knows_causes else None
        for part, cycles in ({STALL: layer.stall_cycles} if stalls is None else stalls).items():
            parts[part] = parts.get(part, 0) + cycles
    return parts


def _without(
    layers: Iterable[LayerRecord], others: Iterable[LayerRecord]
) -> tuple[LayerRecord, ...]:
    names = {layer.name for layer in others}
    return tuple(layer for layer in layers if layer.name not in names)


def _bytes(run: RunRecord, operand: str) -> float:
    return sum(layer.dram_bytes[operand] for layer in run.layers) / float(run.summary["batch"])


def _slower(difference: Difference) -> str:
    if not difference.before_s:
        return "slower"
    return f"{float(100 * (difference.after_s / difference.before_s - 1)):.3g}% slower"
