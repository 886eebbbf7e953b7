"""What a page asks, answered: at once where that can be, and when the search has ended."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from threading import Condition, Lock
from typing import Any, NamedTuple

from foundation.errors import RooftileError
from mapper.search.find import SearchOptions
from rooftile.explore.ahead import neighbours
from rooftile.explore.answer import answer_record
from rooftile.explore.found import Searched
from rooftile.explore.prepared import Prepared, Preparer
from rooftile.explore.pricing import BUDGET_S, Pricing
from rooftile.explore.searcher import Job, Outcome, Searcher, searched
from rooftile.explore.space import Setting, Space

#: Found settings that are kept.
MOST_KEPT = 128
#: Seconds that a page's question for the search's answer waits, before it must ask again.
LONGEST_WAIT_S = 20.0


class _AtOnce(NamedTuple):
    """A setting's prices, which further questions about it go on with."""

    setting: Setting
    pricing: Pricing


class Session:
    """One network on one machine, and what was found so far.

    Parameters
    ----------
    space
        What can be moved.
    options
        What is asked of the search for mappings.
    progress
        Called with what is about to be done, before the first answer is there.
    look_ahead
        Whether settings near the last one are searched while nobody asks for another.

    Raises
    ------
    WorkloadError, SpecError, MappingError
        When the network doesn't fit the machine as it was given.
    """

    def __init__(
        self,
        space: Space,
        options: SearchOptions,
        progress: Callable[[str], None] | None = None,
        *,
        look_ahead: bool = True,
    ) -> None:
        self.space = space
        self._options = options
        self._looks_ahead = look_ahead
        self._preparer = Preparer(space.network, space.spec)
        self._prepare(progress)
        first = searched(self._job(0, space.start), progress)
        if options.cache is not None:  # it has said what there is to say
            options.cache.warn = _say_nothing
        self._known: dict[Setting, Outcome] = {space.start: first}
        #: Number of each job that may still come to an end, and its setting; the last one's.
        self._numbers: dict[int, Setting] = {}
        self._running = space.start
        #: Setting that is asked for, and the one before it.
        self._wanted = self._before = space.start
        #: Cycles of answers at once, while their searches go on.
        self._said: dict[Setting, int] = {}
        #: Cycles of answers at once over those of their searches.
        self._ratios: list[float] = []
        self._changed = Condition()
        self._pricing_now = Lock()
        self._at_once: _AtOnce | None = None
        self._searcher = Searcher(self._done)
        gc.freeze()  # what is kept needs no looking through, which takes longer than an answer
        with self._changed:
            self._ask(None)

    def record(self) -> dict[str, Any]:
        """Return what a page needs before it asks for anything."""
        return {
            "network": self.space.name,
            "machine": self.space.spec.name,
            "knobs": [knob.record() for knob in self.space.knobs],
        }

    def answer(self, setting: Setting) -> dict[str, Any]:
        """Return an answer at once, and have the setting searched unless it was.

        A search's answer has ``provisional`` false; an ``error`` says why there is none. Of one at
        once ``more`` says that the same question again finds more prices.
        """
        start = time.perf_counter()
        with self._changed:
            if self._wanted != setting:
                self._before, self._wanted = self._wanted, setting
                self._changed.notify_all()
                self._ask(setting if setting not in self._known else None)
            outcome = self._known.get(setting)
        try:
            found = self._record(outcome) if outcome is not None else self._priced(setting, start)
        except RooftileError as error:
            found = {"provisional": False, "error": str(error)}
        return {**found, "answer_ms": 1000 * (time.perf_counter() - start)}

    def wait(self, setting: Setting, seconds: float = LONGEST_WAIT_S) -> dict[str, Any]:
        """Return the search's answer once it is there.

        ``superseded`` says that another setting was asked for since; ``pending`` to ask again.
        """

        def is_over() -> bool:
            return setting in self._known or self._wanted != setting

        with self._changed:
            self._changed.wait_for(is_over, seconds)
            outcome, is_wanted = self._known.get(setting), self._wanted == setting
        if outcome is not None:
            return self._record(outcome)
        return {"pending": True} if is_wanted else {"superseded": True}

    def is_idle(self) -> bool:
        """Whether nothing is searched, asked for or ahead."""
        with self._changed:
            return self._running in self._known

    def close(self) -> None:
        """End the search's process."""
        self._searcher.close()

    def _prepare(self, progress: Callable[[str], None] | None) -> None:
        """Build the network for each place of the knobs that change it, and last as it was given.

        Raises
        ------
        WorkloadError
            When it can't be built as it was given.
        """
        start = self.space.start
        for number, knob in enumerate(self.space.knobs):
            for place in range(len(knob.values)) if knob.change is None else ():
                if progress is not None:
                    progress(f"preparing {knob.label.lower()} {knob.texts[place]}")
                try:
                    self._prepared((*start[:number], place, *start[number + 1 :]))
                except RooftileError:
                    continue  # the page says so where it is asked for
        self._prepared(start)

    def _prepared(self, setting: Setting) -> Prepared:
        return self._preparer.prepared(self.space.asked_of(setting))

    def _priced(self, setting: Setting, start: float) -> dict[str, Any]:
        """Return prices, as many as there are before it is time to answer."""
        with self._pricing_now:
            if self._at_once is None or self._at_once.setting != setting:
                near = self._nearest(setting)
                spec = self.space.machine(setting)
                pricing = Pricing(self._prepared(setting), spec, near)
                self._at_once = _AtOnce(setting, pricing)
            quick = self._at_once.pricing.go_on(BUDGET_S - (time.perf_counter() - start))
        with self._changed:
            self._said[setting] = quick.report.total_cycles
            seen = [min(self._ratios), max(self._ratios)] if self._ratios else None
        return {
            **answer_record(quick.report, limit=False),
            "provisional": True,
            "priced": quick.priced,
            "layers": quick.layers,
            "more": not quick.is_over,
            "is_bound": quick.is_bound,
            "least_time_s": quick.least_cycles / quick.report.spec.clock_hz,
            "said_over_searched": seen,
        }

    def _record(self, outcome: Outcome) -> dict[str, Any]:
        if isinstance(outcome, str):
            return {"provisional": False, "error": outcome}
        count = len(outcome.report.layers)
        record = answer_record(outcome.report, limit=True)
        return {**record, "provisional": False, "priced": count, "layers": count}

    def _nearest(self, setting: Setting) -> Searched:
        """Return what was found at the setting that differs in fewest knobs, then by least."""

        def distance(other: Setting) -> tuple[int, int]:
            steps = [abs(a - b) for a, b in zip(setting, other, strict=True)]
            return sum(step > 0 for step in steps), sum(steps)

        with self._changed:
            found = {s: o for s, o in self._known.items() if isinstance(o, Searched)}
        return found[min(found, key=distance)]

    def _ask(self, setting: Setting | None) -> None:
        """Have a setting searched, or what is likely to be asked for next."""
        ahead = neighbours(self.space.knobs, self._before, self._wanted)
        for one in (setting,) if setting is not None else ahead if self._looks_ahead else ():
            if one in self._known:
                continue
            if one == self._running:
                return
            number = max(self._numbers, default=0) + 1
            self._numbers[number] = self._running = one
            try:
                job = self._job(number, one)
            except RooftileError as error:
                self._known[one] = str(error)
                self._changed.notify_all()
            else:
                self._searcher.ask(job)
                return

    def _job(self, number: int, setting: Setting) -> Job:
        return Job(
            number=number,
            network=self.space.network,
            asked=self.space.asked_of(setting),
            spec=self.space.machine(setting),
            options=self._options,
        )

    def _done(self, number: int, outcome: Outcome) -> None:
        with self._changed:
            setting = self._numbers.get(number)
            if setting is None:
                return
            self._known[setting] = outcome
            gc.freeze()
            self._numbers = {n: s for n, s in self._numbers.items() if n >= number}
            said = self._said.pop(setting, 0)
            if said and isinstance(outcome, Searched):
                self._ratios.append(said / max(1, outcome.report.total_cycles))
            while len(self._known) > MOST_KEPT:
                # The first answer is of the machine as it was given, and always fits.
                del self._known[next(one for one in self._known if one != self.space.start)]
            self._changed.notify_all()
            if setting == self._running:
                self._ask(None)


def _say_nothing(_: str) -> None:
    """Leave the terminal as it is."""
