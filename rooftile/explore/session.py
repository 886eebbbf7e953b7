"""What a page asks, answered: at once where that can be, and when the search has ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Condition
from typing import Any

from foundation.errors import RooftileError
from mapper.search.find import SearchOptions
from rooftile.explore.answer import answer_record
from rooftile.explore.pricing import Pricer, Searched
from rooftile.explore.searcher import Job, Outcome, Searcher, searched
from rooftile.explore.space import Setting, Space

#: Found settings that are kept.
MOST_KEPT = 64
#: Seconds that a page's question for the search's answer waits, before it must ask again.
LONGEST_WAIT_S = 20.0


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
    ) -> None:
        self.space = space
        self._options = options
        self._pricer = Pricer(space.network, space.spec)
        self._pricer.prepare(space.asked_of(space.start))
        first = searched(self._job(0, space.start), progress)
        if options.cache is not None:  # it has said what there is to say
            options.cache.warn = _say_nothing
        self._known: dict[Setting, Outcome] = {space.start: first}
        self._numbers: dict[int, Setting] = {0: space.start}
        #: Setting that is searched, or will be next.
        self._wanted = space.start
        self._changed = Condition()
        self._searcher = Searcher(self._done)

    def record(self) -> dict[str, Any]:
        """Return what a page needs before it asks for anything."""
        return {
            "network": self.space.name,
            "machine": self.space.spec.name,
            "cores": self.space.spec.cores,
            "knobs": [knob.record() for knob in self.space.knobs],
        }

    def answer(self, setting: Setting) -> dict[str, Any]:
        """Return an answer at once, and have the setting searched unless it was.

        A search's answer has ``provisional`` false; an ``error`` says why there is none.
        """
        start = time.perf_counter()
        with self._changed:
            outcome = self._known.get(setting)
            if outcome is None and self._wanted != setting:
                self._ask(setting)
            near = self._nearest(setting)
        try:
            found = self._record(outcome) if outcome is not None else self._at_once(setting, near)
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

    def close(self) -> None:
        """End the search's process."""
        self._searcher.close()

    def _at_once(self, setting: Setting, near: Searched) -> dict[str, Any]:
        asked, spec = self.space.asked_of(setting), self.space.machine(setting)
        quick = self._pricer.price(asked, spec, near)
        record = answer_record(quick.report, limit=False)
        return {**record, "provisional": True, "priced": quick.priced, "layers": quick.layers}

    def _record(self, outcome: Outcome) -> dict[str, Any]:
        if isinstance(outcome, str):
            return {"provisional": False, "error": outcome}
        count = len(outcome.report.layers)
        record = answer_record(outcome.report, limit=True)
        return {**record, "provisional": False, "priced": count, "layers": count}

    def _nearest(self, setting: Setting) -> Searched:
        """Return what was found at the setting that differs in fewest knobs, the latest of them."""
        found: dict[int, Searched] = {}
        for other, outcome in self._known.items():
            if isinstance(outcome, Searched):
                found[sum(a != b for a, b in zip(setting, other, strict=True))] = outcome
        return found[min(found)]

    def _ask(self, setting: Setting) -> None:
        self._wanted = setting
        number = max(self._numbers) + 1
        self._numbers[number] = setting
        try:
            job = self._job(number, setting)
        except RooftileError as error:
            self._known[setting] = str(error)
        else:
            self._searcher.ask(job)
        self._changed.notify_all()

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
            while len(self._known) > MOST_KEPT:
                # The first answer is of the machine as it was given, and always fits.
                del self._known[next(one for one in self._known if one != self.space.start)]
            self._numbers = {n: s for n, s in self._numbers.items() if n >= number}
            self._changed.notify_all()


def _say_nothing(_: str) -> None:
    """Leave the terminal as it is."""
