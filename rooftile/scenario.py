"""Scenarios: latencies of networks in turn, by chance, in loops and at the same time."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from accel.spec import AcceleratorSpec
from foundation.distribution import Distribution, in_turn, latest, mixed
from foundation.document import Path_
from foundation.errors import RooftileError
from mapper.search.find import DEFAULT, SearchOptions
from reports.scenario import RequestReport, ScenarioReport
from rooftile.generation import TOLERANCE, answer
from rooftile.layer_prices import LayerPrices
from rooftile.sources import find_hardware, find_network
from workloads.loaders.asked import Asked
from workloads.loaders.expand import Place
from workloads.loaders.files import FORMATS
from workloads.scenario.load import Scenario, load_scenario

if TYPE_CHECKING:
    from workloads.scenario.models import Branch, Loop, Node, Stage

#: More than any sum needs, so that whole numbers of 64 bits hold what is added to it.
MAX_CYCLES = 10**18

_IN_BRACES = re.compile(r"\{([^{}]*)\}")


def run_scenario(
    scenario: str | Path | Scenario,
    hardware: str | Path | AcceleratorSpec,
    *,
    split: str = "auto",
    options: SearchOptions = DEFAULT,
    engine: str = "analytical",
    tolerance: float = TOLERANCE,
    progress: Callable[[str], None] | None = None,
) -> ScenarioReport:
    """Return how long requests take, as a distribution.

    Each distinct network is simulated once, of equal layers of all networks one. Chances are
    independent of each other.

    Parameters
    ----------
    scenario
        A YAML file, or what it says.
    hardware
        A preset's name, a file, or a spec.
    split, options, engine, progress
        As in `rooftile.simulation.simulate`.
    tolerance
        Of whole answers, as in `rooftile.generation.generate`.

    Raises
    ------
    WorkloadError, SpecError, MappingError
        When the input is wrong, or a network doesn't fit the machine.
    """
    if not isinstance(scenario, Scenario):
        scenario = load_scenario(Path(scenario))
    spec = hardware if isinstance(hardware, AcceleratorSpec) else find_hardware(str(hardware))
    prices = LayerPrices(spec, split=split, options=options, engine=engine, progress=progress)
    walk = _Walk(scenario, prices, tolerance)
    requests = tuple(
        RequestReport(
            parameters=dict(request),
            count=count,
            latency_cycles=walk.latency(scenario.run, ("run",), dict(request)),
        )
        for request, count in scenario.requests.items()
    )
    return ScenarioReport(name=scenario.name, spec=spec, requests=requests, networks=walk.networks)


class _Walk:
    """Latencies of a scenario's nodes.

    Parameters
    ----------
    scenario
        The scenario.
    prices
        What layers take.
    tolerance
        Of whole answers.
    """

    def __init__(self, scenario: Scenario, prices: LayerPrices, tolerance: float) -> None:
        self._scenario = scenario
        self._prices = prices
        self._tolerance = tolerance
        self._known: dict[object, int] = {}

    @property
    def networks(self) -> int:
        """Distinct networks and answers that were priced."""
        return len(self._known)

    def latency(self, node: Node, path: Path_, parameters: Mapping[str, int]) -> Distribution:
        """Return the distribution of a node's cycles for a request with some parameters.

        Approximation: parts that run at the same time have an accelerator each, of the same kind;
        what starts has all of its accelerator, so that nothing waits for other requests.
        """

        def below(part: Node, *steps: str | int) -> Distribution:
            return self.latency(part, (*path, *steps), parameters)

        if node.sequence is not None:
            return in_turn(below(p, "sequence", n) for n, p in enumerate(node.sequence))
        if node.parallel is not None:
            return latest([below(p, "parallel", n) for n, p in enumerate(node.parallel)])
        if node.choice is not None:
            return _choice(node.choice, below)
        if node.cascade is not None:
            return _cascade(node.cascade, below)
        place = self._place(path, parameters)
        if node.loop is not None:
            return _loop(node.loop, place, below(node.loop.run, "loop", "run"))
        return Distribution.certain(self._cycles(node, place))

    def _place(self, path: Path_, parameters: Mapping[str, int]) -> Place:
        return Place(
            document=self._scenario.document, path=path, what="scenario", parameters=parameters
        )

    def _cycles(self, node: Node, place: Place) -> int:
        """Return what a network takes, or a whole answer."""
        name = self._file(_filled(node.network or "", "network", place))
        dims = {key: place.integer(size, "dims", key) for key, size in node.dims.items()}
        sizes = {
            key: None if value is None else place.integer(value, key, minimum=1)
            for key, value in (
                ("batch", node.batch),
                ("page", node.page),
                ("prompt", node.prompt),
                ("tokens", node.tokens),
                ("beams", node.beams),
            )
        }
        phase = None if node.phase is None else _filled(node.phase, "phase", place)
        key = (name, node.dtype, phase, *dims.items(), *sizes.items())
        if key not in self._known:
            asked = Asked(
                batch=sizes["batch"],
                dtype=node.dtype,
                dims=dims,
                phase=phase,
                beams=sizes["beams"] or 1,
                page=sizes["page"],
            )
            try:
                self._known[key] = self._price(name, asked, sizes["prompt"], sizes["tokens"])
            except RooftileError as error:
                raise type(error)(str(place.failure(str(error), "network"))) from None
        return self._known[key]

    def _file(self, name: str) -> str:
        """Return a network's name, as a path from the scenario's folder if it is a file."""
        is_file = Path(name).suffix in FORMATS or "/" in name
        return str(self._scenario.folder / name) if is_file else name

    def _price(self, name: str, asked: Asked, prompt: int | None, tokens: int | None) -> int:
        if prompt is None or tokens is None:
            return sum(self._prices.cycles(find_network(name, asked)).values())
        report = answer(
            Path(name),
            self._prices,
            prompt=str(prompt),
            tokens=tokens,
            asked=asked,
            tolerance=self._tolerance,
        )
        return report.total_cycles


def _filled(text: str, key: str, place: Place) -> str:
    """Return a text with what stands in braces computed."""
    return _IN_BRACES.sub(lambda match: str(place.integer(match[1], key, minimum=0)), text)


def _choice(branches: list[Branch], below: Callable[..., Distribution]) -> Distribution:
    nothing = Distribution.certain(0)
    return mixed(
        [
            (
                branch.probability,
                nothing if branch.run is None else below(branch.run, "choice", number, "run"),
            )
            for number, branch in enumerate(branches)
        ]
    )


def _cascade(stages: list[Stage], below: Callable[..., Distribution]) -> Distribution:
    """Return the latency of stages: each runs if none before it gave the answer."""
    total: Distribution | None = None
    for number, stage in reversed([*enumerate(stages)]):
        own = below(stage.run, "cascade", number, "run")
        if total is None:
            total = own
        else:
            share = stage.exit or 0.0
            total = own.then(mixed([(share, Distribution.certain(0)), (1 - share, total)]))
    assert total is not None, "a cascade has a stage"
    return total


def _loop(loop: Loop, place: Place, body: Distribution) -> Distribution:
    if isinstance(loop.times, dict):
        chances = [(share, int(count)) for count, share in loop.times.items()]
    else:
        chances = [(1.0, place.integer(loop.times, "loop", "times", minimum=0))]
    longest = max(count for _, count in chances) * int(body.values[-1])
    if longest > MAX_CYCLES:
        raise place.failure(
            f"loop.times: all turns take {longest:,} cycles but at most {MAX_CYCLES:,} are added"
            " up; reduce them",
            "loop",
            "times",
        )
    return mixed([(share, body.times(count)) for share, count in chances])
