"""Published studies: what was published, what the shipped sweeps give, and rows with both."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml

from accel.spec_file import load_preset, load_spec
from mapper.search.find import SearchOptions
from reports.levels import energy_by_level
from reports.report import Report
from rooftile.simulation import simulate
from rooftile.sweep.published import find_sweep
from rooftile.sweep.run import run_sweep
from rooftile.sweep.store import Results
from rooftile.sweep.sweep_file import load_sweep
from workloads.graph import Graph
from workloads.loaders.asked import AS_IT_IS, Asked
from workloads.loaders.files import load_file

FOLDER = find_sweep(Path("tpu_v1_roofline")).parent
SCALESIM = Path(__file__).parents[2] / "published" / "scalesim_shapes.csv"
PEAK_TOPS = load_preset("tpu_v1").peak_ops_per_s / 1e12

#: Of N. Jouppi et al., ISCA 2017: TeraOps/sec (table 3, row 9), useful MACs in % of the peak by
#: performance counters (table 3, row 2), operations for each byte of weights (table 1).
TPU_V1 = {
    "MLP0": (12.3, 12.5, 200),
    "MLP1": (9.7, 9.4, 168),
    "LSTM0": (3.7, 8.2, 64),
    "LSTM1": (2.8, 6.3, 96),
    "CNN0": (86.0, 78.2, 2888),
}
#: Y.-H. Chen et al., JSSC 52(1), 2017, table V: processing latency in ms, accesses of the global
#: buffer and of the DRAM in MB, of a batch of 4.
EYERISS = {
    "conv1": (16.5, 18.5, 5.0),
    "conv2": (39.2, 77.6, 4.0),
    "conv3": (21.8, 50.2, 3.0),
    "conv4": (16.0, 37.4, 2.1),
    "conv5": (10.0, 24.9, 1.3),
}
#: Y.-H. Chen, J. Emer, V. Sze, ISCA 2016, table IV: energies in those of a MAC; and a word's bytes.
BUFFER_COST, DRAM_COST, WORD_BYTES = 6, 200, 2

Row = Mapping[str, Any]


def points(name: str, folder: Path, **changes: Any) -> list[Row]:
    """Return the rows of a shipped sweep, or of one whose lists of values are replaced by others.

    Networks are called by their files' names.
    """
    data = yaml.safe_load(find_sweep(Path(name)).read_text())
    data["hardware"] = _absolute(data["hardware"])
    data["networks"] = [_absolute(one) for one in changes.pop("networks", data["networks"])]
    data["grid"] = {**data.get("grid", {}), **changes}
    file = folder / f"{name}.sweep.yaml"
    file.write_text(yaml.safe_dump(data, sort_keys=False))
    run_sweep(load_sweep(file), folder / name)
    with closing(Results(folder / name)) as results:
        rows = [dict(zip(results.columns, row, strict=True)) for row in results.rows()]
    assert all(row["status"] == "ok" for row in rows)
    return [
        {**row, "network": Path(row["network"]).stem, "cycles": int(row["cycles"])} for row in rows
    ]


def _absolute(name: str) -> str:
    path = FOLDER / name
    return str(path) if path.exists() else name


def percent(ours: float, published: float) -> str:
    """Return the difference of ours, such as ``+9%``."""
    rounded = round(100 * (ours / published - 1))
    return f"{rounded:+d}%" if rounded else "0%"


def roofline_rows(rows: Sequence[Row]) -> Iterator[tuple[str, float, float, str]]:
    """Yield name, our TOP/s and utilization in %, activations on the chip, and a table's row."""
    for name, (tops, useful, _) in TPU_V1.items():
        preset, chip = (
            row["mac_utilization"] for row in rows if row["network"] == f"tpu_v1_{name.lower()}"
        )
        ours = chip * PEAK_TOPS
        yield (
            name,
            ours,
            100 * chip,
            f"| {name} | {tops} | {ours:.3g} | {percent(ours, tops)} | {preset * PEAK_TOPS:.3g} |"
            f" {useful}% | {100 * chip:.1f}% |",
        )


def weight_intensity(row: Row) -> float:
    """Return the MACs for each byte of weights that is read, of a point of ``tpu_v1_slope``."""
    width = 4096
    activations = 2 * row["batch"] * width
    return float(row["batch"] * width * width / (row["dram_bytes"] - activations))


def roof(rows: Sequence[Row]) -> tuple[float, float, float]:
    """Return the ridge in MAC/B, the peak in TOP/s and the bandwidth in GB/s that points lie on."""
    lowest = min(rows, key=lambda row: row["batch"])
    peak = max(row["mac_utilization"] for row in rows) * PEAK_TOPS
    macs_per_s = lowest["mac_utilization"] * PEAK_TOPS / 2 * 1e12
    bandwidth = macs_per_s / weight_intensity(lowest)
    return peak / 2 * 1e12 / bandwidth, peak, bandwidth / 1e9


def slope_dot(row: Row) -> str:
    """Return a dot of a file of peaks."""
    return (
        f'  - {{name: "{row["batch"]}", intensity: {weight_intensity(row):.5g}MAC/B,'
        f" performance: {row['mac_utilization'] * PEAK_TOPS:.4g}TOP/s}}"
    )


def times(rows: Sequence[Row], network: str, **keys: Any) -> float:
    """Return the seconds of the one point that has these values."""
    (found,) = (
        row["time"]
        for row in rows
        if row["network"] == network
        and all(row[key.replace("__", ".")] == value for key, value in keys.items())
    )
    return float(found)


def scalesim_cycles() -> dict[tuple[str, int], tuple[int, int]]:
    """Return SCALE-Sim's array cycles and its number of layers by dataflow and rows."""
    found: dict[tuple[str, int], tuple[int, int]] = {}
    with SCALESIM.open(newline="") as stream:
        for row in csv.DictReader(stream):
            key = (row["dataflow"].upper(), int(row["array_rows"]))
            cycles, layers = found.get(key, (0, 0))
            found[key] = (cycles + int(row["array_cycles"]), layers + 1)
    return found


def shape_rows(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the rows of a table of SCALE-Sim's cycles and ours by shape."""
    published = scalesim_cycles()
    by_point = {(row["array.dataflow"], row["array.rows"]): row["cycles"] for row in rows}
    for pes in sorted({rows_ for _, rows_ in by_point}):
        cells = [
            f"{published[flow, pes][0]:,} | {by_point[flow, pes]:,}" for flow in ("OS", "WS", "IS")
        ]
        yield f"| {pes} x {1024 // pes} | {' | '.join(cells)} |"


def network(name: str, asked: Asked = AS_IT_IS) -> Graph:
    """Return a network that comes with the sweeps."""
    return load_file(FOLDER / f"networks/{name}.yaml", asked)


def eyeriss_report(layer: str) -> Report:
    """Return a layer's report, with its energies, as ``eyeriss_alexnet`` runs it."""
    graph = network(f"alexnet_{layer}", Asked(batch=4, dtype="fp16"))
    spec = load_spec(FOLDER / "machines/eyeriss_costs.yaml")
    return simulate(graph, spec, options=SearchOptions(objective="energy")).report


def eyeriss_rows(rows: Sequence[Row]) -> Iterator[tuple[str, float, float, str]]:
    """Yield a layer, ours over published (least time; DRAM of least energy), and a table's row.

    The last is of all layers, if they are all there.
    """
    found: list[tuple[str, list[float], list[float]]] = []
    for layer, (latency_ms, _, dram) in EYERISS.items():
        of_layer = {row["objective"]: row for row in rows if row["network"] == f"alexnet_{layer}"}
        if of_layer:
            energy, latency = of_layer["energy"], of_layer["latency"]
            ours = [1e3 * latency["time"], 1e3 * energy["time"], energy["dram_bytes"] / 1e6]
            found.append((layer, [latency_ms, dram], ours))
    if len(found) == len(EYERISS):
        published = [sum(column) for column in zip(*(one[1] for one in found), strict=True)]
        total = [sum(column) for column in zip(*(one[2] for one in found), strict=True)]
        found.append(("all", published, total))
    for layer, (latency_ms, dram), (least_ms, energy_ms, ours_dram) in found:
        yield (
            layer,
            least_ms / latency_ms,
            ours_dram / dram,
            f"| {layer} | {latency_ms:.1f} | {least_ms:.1f} | {percent(least_ms, latency_ms)} |"
            f" {energy_ms:.1f} | {dram:.1f} | {ours_dram:.1f} | {percent(ours_dram, dram)} |",
        )


def by_level(report: Report) -> dict[str, float]:
    """Return the energy of a MAC by level, in energies of a MAC's arithmetic."""
    levels = energy_by_level(report.energies_pj)
    macs = report.total_macs
    return {
        "ALU": 1.0,
        "array": (levels["MACs"] - macs) / macs,
        "RF": levels["PE registers"] / macs,
        "buffer": levels["scratchpads"] / macs,
        "DRAM": levels["main memories"] / macs,
    }


def published_levels(layer: str, macs: int) -> dict[str, float]:
    """Return the published accesses of a MAC, times their published costs."""
    _, buffer, dram = EYERISS[layer]
    words = 1e6 / WORD_BYTES / macs
    return {"ALU": 1.0, "buffer": buffer * words * BUFFER_COST, "DRAM": dram * words * DRAM_COST}


def level_row(layer: str, report: Report) -> str:
    """Return a table's row of a layer's energies by level."""
    published, ours = published_levels(layer, report.total_macs), by_level(report)
    return (
        f"| {layer} | {published['DRAM']:.2f} | {ours['DRAM']:.2f} | {published['buffer']:.2f} |"
        f" {ours['buffer']:.2f} | {ours['array']:.2f} | {ours['RF']:.2f} | 1 | 1 |"
    )
