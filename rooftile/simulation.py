"""The whole way: network and machine in, report out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from accel.machine import Machine
from accel.spec import AcceleratorSpec
from accel.spec_file import to_yaml as hardware_yaml
from accel.trace import Repeated
from foundation.errors import MappingError
from mapper.analytical import AnalyticalEngine
from mapper.constraints import Constraints, load_constraints
from mapper.mapping_file import MappingFile, load_mappings
from mapper.plan import Plan
from mapper.planner import make_plan
from mapper.search.find import DEFAULT, SearchOptions
from mapper.workers import process_count, side_by_side
from reports.estimated import make_estimated_report
from reports.files import write_folder
from reports.report import Report, make_report
from reports.roofline import Roofline, make_roofline
from reports.scalesim import COMPUTE_REPORT, compute_report
from reports.tables import report_table
from rooftile import __version__
from rooftile.passes import apply_passes
from rooftile.sources import find_hardware, find_network
from workloads.graph import Graph
from workloads.loaders.asked import Asked
from workloads.loaders.yaml import to_yaml as network_yaml

#: What can run a plan.
ENGINES = ("cycle", "analytical")
Progress = Callable[[str], None]
#: Tiles for which it pays to start processes: these take some 20 ms, and a tile 0.1 ms.
_MUCH = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a simulation gave.

    Parameters
    ----------
    plan
        The network as it was mapped; ``plan.graph`` and ``plan.spec`` are what was asked for.
    traces
        For each work of the plan what the machine did in each of its pieces; none for a reshape,
        and none at all from the analytical engine.
    report
        Statistics of every layer and of the network.
    """

    plan: Plan
    traces: tuple[tuple[Repeated, ...], ...]
    report: Report

    @property
    def roofline(self) -> Roofline:
        """Ceilings and dots; a picture in a notebook."""
        return make_roofline(self.report)

    def inputs(self) -> dict[str, str]:
        """Return file name to text of network, machine and mappings as they were resolved."""
        return {
            "network.yaml": network_yaml(self.plan.given or self.plan.graph),
            "hardware.yaml": hardware_yaml(self.plan.spec),
            "mapping.yaml": self.plan.mappings_yaml(),
        }

    def write(
        self, folder: Path | str, *, plots: bool = True, scalesim_reports: bool = False
    ) -> Path:
        """Write tables, summary, roofline, timeline and the resolved inputs to a new folder.

        Parameters
        ----------
        folder
            Must not exist; its parent must.
        plots
            Whether to draw the roofline.
        scalesim_reports
            Whether to write SCALE-Sim's COMPUTE_REPORT.csv, too.

        Raises
        ------
        OutputError
            When the folder exists or can't be written; nothing is left half-written.
        """
        return write_folder(
            Path(folder),
            self.report,
            self.plan,
            self.traces,
            inputs=self.inputs(),
            tool_version=__version__,
            plots=plots,
            more={COMPUTE_REPORT: compute_report(self.report)} if scalesim_reports else None,
        )

    def __str__(self) -> str:
        return report_table(self.report)

    def _repr_html_(self) -> str:
        return self.report._repr_html_()


def simulate(
    network: str | Path | Graph,
    hardware: str | Path | AcceleratorSpec,
    *,
    batch: int | None = None,
    dtype: str | None = None,
    split: str = "auto",
    across: Sequence[str] = (),
    passes: str = "none",
    options: SearchOptions = DEFAULT,
    engine: str = "cycle",
    mappings: str | Path | MappingFile | None = None,
    constraints: str | Path | Constraints | None = None,
    progress: Progress | None = None,
) -> Result:
    """Map a network onto a machine, run it, and report.

    Parameters
    ----------
    network
        A name of the zoo, a YAML file, or a graph.
    hardware
        A preset's name, a YAML file, or a spec.
    batch
        Inferences at once; by default what the network says.
    dtype
        Type of inputs, weights and activations; by default what the network says.
    split
        Along what products are split over cores: one of `mapper.splits.CHOICES`.
    across
        Passes over several layers: some of `mapper.plan.ACROSS`.
    passes
        How the network is rewritten first: ``none``, ``all``, or names of
        `workloads.passes.pipeline.PASSES` with commas between.
    options
        What is asked of the search for mappings: objective, strategy, effort, cache.
    engine
        One of ``ENGINES``: ``cycle`` runs programs event by event, ``analytical`` needs none and
        knows no timeline and no causes of stalls.
    mappings
        A YAML file, or what it says, of layers that run exactly so; the others are searched.
    constraints
        A YAML file, or what it says, of what the search may not try.
    progress
        Called with what is about to be done: ``mapping`` or ``simulating``, and the layer's name.

    Raises
    ------
    WorkloadError, SpecError, MappingError
        When the input is wrong, or the network doesn't fit the machine.
    """
    if engine not in ENGINES:
        raise ValueError(f"engine '{engine}': must be one of {', '.join(ENGINES)}")
    graph = apply_passes(_graph(network, batch, dtype), passes)
    spec = hardware if isinstance(hardware, AcceleratorSpec) else find_hardware(str(hardware))
    mapping = progress and (lambda layer: progress(f"mapping {layer}"))
    if isinstance(mappings, str | Path):
        mappings = load_mappings(Path(mappings))
    if isinstance(constraints, str | Path):
        constraints = load_constraints(Path(constraints))
    plan = make_plan(
        graph,
        spec,
        split=split,
        across=across,
        options=options,
        mappings=mappings,
        constraints=constraints,
        progress=mapping,
    )
    if engine == "analytical":
        prices = AnalyticalEngine(plan)
        estimates = [prices.estimates(work) for work in range(len(plan.works))]
        return Result(plan=plan, traces=(), report=make_estimated_report(plan, estimates))
    traces = _all_traces(plan, options.processes or process_count(), progress)
    return Result(plan=plan, traces=traces, report=make_report(plan, traces))


def simulate_side_by_side(
    networks: Sequence[str | Path | Graph],
    hardware: str | Path | AcceleratorSpec,
    cores: Sequence[int],
    *,
    batch: int | None = None,
    dtype: str | None = None,
    split: str = "auto",
    options: SearchOptions = DEFAULT,
) -> tuple[Result, ...]:
    """Run several networks at the same time, each on cores of its own.

    They share the main memories and the network on the chip, so that what one does delays the
    others. Nothing is simulated once for several layers: each meets other traffic.

    Parameters
    ----------
    networks
        As in `simulate`.
    hardware
        As in `simulate`.
    cores
        How many cores each network has.
    batch, dtype, split, options
        As in `simulate`, for all of them.

    Raises
    ------
    WorkloadError, SpecError, MappingError
        As in `simulate`; MappingError as well when there are too few cores.
    """
    spec = hardware if isinstance(hardware, AcceleratorSpec) else find_hardware(str(hardware))
    if sum(cores) > spec.cores:
        raise MappingError(
            f"machine '{spec.name}': has {spec.cores} cores but {' + '.join(map(str, cores))} are"
            " asked for; give the networks fewer"
        )
    plans: list[Plan] = []
    for network, count in zip(networks, cores, strict=True):
        graph = _graph(network, batch, dtype)
        first = sum(cores[: len(plans)])
        plans.append(
            make_plan(
                graph,
                spec,
                split=split,
                options=options,
                cores=range(first, first + count),
                share_equal_work=False,
                occupied=plans[-1].memory_bytes if plans else None,
            )
        )
    sequences = Machine(spec).run_sequences([plan.all_programs() for plan in plans])
    results = []
    for plan, found in zip(plans, sequences, strict=True):
        each = iter(found)
        traces = tuple(
            tuple(Repeated(trace=next(each), count=1) for _ in range(plan.program_count(planned)))
            for planned in plan.layers
        )
        results.append(Result(plan=plan, traces=traces, report=make_report(plan, traces)))
    return tuple(results)


def _graph(network: str | Path | Graph, batch: int | None, dtype: str | None) -> Graph:
    if isinstance(network, Graph):
        return network
    return find_network(str(network), Asked(batch=batch, dtype=dtype))


def _all_traces(
    plan: Plan, processes: int, progress: Progress | None
) -> tuple[tuple[Repeated, ...], ...]:
    """Simulate every work, several at the same time if that is much: the largest first."""
    tiles = [work.tile_count for work in plan.works]
    works = sorted(range(len(tiles)), key=lambda work: tiles[work], reverse=True)
    is_much = min(processes, len(works)) > 1 and sum(tiles) >= _MUCH
    simulated = partial(_traces, plan)
    each = side_by_side(simulated, works, processes) if is_much else map(simulated, works)
    found: dict[int, tuple[Repeated, ...]] = {}
    for work in works:
        if progress is not None:
            progress(f"simulating {plan.representative(work).layer.name}")
        found[work] = next(each)
    return tuple(found[work] for work in range(len(works)))


def _traces(plan: Plan, work: int) -> tuple[Repeated, ...]:
    """Simulate the first layer of a work, each distinct piece once and on an idle machine."""
    machine = Machine(plan.spec)
    return tuple(
        Repeated(trace=machine.run(program), count=count)
        for program, count in plan.distinct_programs(work)
    )
