"""Commands about technologies, as their pages show them, and what they refuse."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from accel.spec_file import parse_spec
from mapper.search.find import SearchOptions
from reports.levels import energy_by_level
from rooftile.simulation import Result, simulate
from tests.rooftile.command import Command
from workloads.loaders.yaml import parse_network

ROOT = Path(__file__).parents[2]
TECHNOLOGY, EYERISS, COST = (
    (ROOT / name).read_text()
    for name in (
        "accel/technology/TECHNOLOGY.md", "accel/technology/EYERISS.md", "reports/COST.md"
    )
)  # fmt: skip


def yaml_blocks(page: str) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)


def write_files() -> None:
    prices, machine = yaml_blocks(COST)
    assert yaml_blocks(TECHNOLOGY) == [machine], "one machine in both pages"
    Path("prices.yaml").write_text(prices)
    Path("edge_45nm.yaml").write_text(machine)
    costs, network = yaml_blocks(EYERISS)
    Path("eyeriss_costs.yaml").write_text(costs)
    Path("alexnet_conv.yaml").write_text(network)


@pytest.fixture
def command(rooftile: Command) -> Command:
    write_files()
    return rooftile


@pytest.mark.parametrize("page", [TECHNOLOGY, EYERISS, COST], ids=["technology", "eyeriss", "cost"])
def test_commands_print_what_the_pages_say(page: str, command: Command) -> None:
    (block,) = re.findall(r"```console\n(.*?)```", page, re.DOTALL)
    steps = re.findall(r"^\$ rooftile (.*)\n((?:[^$].*\n|\n)*)", block, re.MULTILINE)
    assert steps
    for text, shown in steps:
        done = command(*shlex.split(text.partition("#")[0]))
        assert (done.status, done.err) == (0, ""), text
        assert done.out.rstrip("\n").startswith(shown.rstrip("\n")), text


def eyeriss() -> Result:
    costs, network = yaml_blocks(EYERISS)
    graph = parse_network(network, "alexnet_conv.yaml", batch=4, dtype="fp16")
    spec = parse_spec(costs, "eyeriss_costs.yaml")
    return simulate(graph, spec, options=SearchOptions(objective="energy"))


def test_eyeriss_costs_and_shares_of_the_page() -> None:
    """Counts times the published costs of a MAC, an access of the RF, the buffer and the DRAM."""
    result = eyeriss()
    report, words = result.report, 2  # bytes of a word
    layers = [layer.work for layer in report.layers]
    assert report.total_macs == 4 * 665_784_864
    macs = float(report.total_macs)
    dram = sum(work.total_dram_bytes for work in layers) / words
    weights = sum(work.scratchpad_accesses["weight_reads"] for work in layers)
    levels = energy_by_level(report.energies_pj)
    assert levels["MACs"] == 7 * macs
    assert levels["main memories"] == pytest.approx(200 * dram)
    assert levels["PE registers"] == pytest.approx(macs + weights), "read once for a MAC"
    total = sum(levels.values())
    parts = [macs, 6 * macs, levels["PE registers"], levels["scratchpads"], 200 * dram]
    shares = " | ".join(f"{part / total:.1%}" for part in parts)
    assert f"| {shares} |" in EYERISS
    on_chip = total - levels["main memories"]
    assert f"| {macs / on_chip:.1%} of the energy |".replace("%", " %") in EYERISS
    assert f"| {dram / macs:.4f} |" in EYERISS
    assert f"| {200 * dram / macs:.2f} |" in EYERISS


TAINTED = """\
base: edge_32x32
name: tainted
energy: {technology: {node: 45nm, dram: generic}, vector: null, leakage: null}
area: {technology: 45nm, other: null}
"""
NETWORK = """\
name: net
inputs: {image: [1, 12, 12, 3]}
layers: [{name: conv, op: conv, out: 8, kernel: 3, activation: relu}]
"""


@pytest.fixture
def tainted(command: Command) -> Command:
    Path("tainted.yaml").write_text(TAINTED)
    Path("net.yaml").write_text(NETWORK)
    return command


def test_a_number_that_nobody_knows_taints_every_sum(tainted: Command) -> None:
    run = tainted("run", "net.yaml", "--hw", "tainted.yaml", "--no-plots", "-o", "out").out
    assert re.search(
        r"^energy +at least .* an inference, leakage not counted,"
        r" without vector unit \(no number\):",
        run,
        re.MULTILINE,
    )
    assert json.loads(Path("out/summary.json").read_text())["unknown_energies"] == ["vector"]
    assert "technology   45 nm: 7 energies derived, as `rooftile energies` says" in run
    explained = tainted("explain", "out", "--layer", "conv").out
    assert re.search(r"its energy goes: at least .*, without vector unit \(no number\)", explained)
    mapped = tainted("map", "net.yaml", "--hw", "tainted.yaml", "--objective", "energy").out
    assert re.search(r"^    energy: at least ", mapped, re.MULTILINE)
    efficiency = tainted("efficiency", "net.yaml", "--hw", "tainted.yaml").out
    assert re.search(r"^efficiency  at most [\d.]+ TOP/s/W$", efficiency, re.MULTILINE)
    assert re.search(r"^density +at most ", efficiency, re.MULTILINE)


def test_nothing_else_in_a_summary_changes(command: Command) -> None:
    Path("net.yaml").write_text(NETWORK)
    assert command("run", "net.yaml", "--hw", "edge_32x32", "--no-plots", "-o", "out").status == 0
    summary = json.loads(Path("out/summary.json").read_text())
    assert "unknown_energies" not in summary


def test_energies_say_what_is_given_derived_and_unknown(tainted: Command) -> None:
    text = tainted("energies", "tainted.yaml").out
    assert re.search(r"^vector +no number +given$", text, re.MULTILINE)
    assert re.search(r"^mac\.int8 +0\.3pJ +derived$", text, re.MULTILINE)
    assert "Horowitz" in text
    stated = tainted("energies", "edge_32x32").out
    assert re.search(r"^scratchpads\.input +0\.82pJ/bit +0\.82pJ/bit +given$", stated, re.MULTILINE)
    assert "derived" not in stated


def test_energies_say_what_is_missing(command: Command) -> None:
    text = "base: npu_4core\nname: m\narray: {dtypes: [bf16]}\nenergy: {technology: 45nm}\n"
    Path("m.yaml").write_text(text)
    rows = re.findall(r"^(\S+) +- +missing$", command("energies", "m.yaml").out, re.MULTILINE)
    assert rows == ["mac.bf16", "network", "memories.dram"]
    assert "missing" not in command("energies", "npu_4core").out


def test_efficiency_without_areas_says_nothing_of_them(command: Command) -> None:
    Path("net.yaml").write_text(NETWORK)
    text = command("efficiency", "net.yaml", "--hw", "edge_32x32").out
    assert "TOP/s/W" in text
    assert "mm2" not in text


def test_cost_as_json(command: Command) -> None:
    Path("net.yaml").write_text(NETWORK)
    done = command(
        "cost", "net.yaml", "--hw", "edge_45nm.yaml", "--prices", "prices.yaml", "--json"
    )
    record = json.loads(done.out)
    assert (record["currency"], record["other"]) == ("credits", None)
    assert record["unknown"] == ["area of other", "price of other"]
    assert record["ownership"] == pytest.approx(record["purchase"] + record["electricity"])


def test_efficiency_and_area_as_json(tainted: Command) -> None:
    done = tainted("efficiency", "net.yaml", "--hw", "tainted.yaml", "--json")
    record = json.loads(done.out)
    assert (record["unknown_energies"], record["unknown_areas"]) == (["vector"], ["other"])
    assert sum(record["energy_by_level_pj"].values()) == pytest.approx(record["energy_pj"])
    macs = 10 * 10 * 8 * 27
    assert record["ops_per_joule"] == pytest.approx(2 * macs / (record["energy_pj"] * 1e-12))
    bare = json.loads(tainted("efficiency", "net.yaml", "--hw", "edge_32x32", "--json").out)
    assert "area_um2" not in bare
    area = json.loads(tainted("area", "tainted.yaml", "--json").out)
    assert area["area_um2"] == record["area_um2"]
    known = [part for part in area["parts"] if part["each_um2"] is not None]
    assert sum(part["count"] * part["each_um2"] for part in known) == pytest.approx(
        area["area_um2"]
    )
    assert {part["part"] for part in known if not part["is_derived"]} == set()


REFUSED = [
    (("area", "edge_32x32"), "machine 'edge_32x32': key 'area' is missing but its area is asked"),
    (("energies", "tpu_v1"), "machine 'tpu_v1': key 'energy' is missing but its energy is asked"),
    (("efficiency", "net.yaml", "--hw", "tpu_v1"), "machine 'tpu_v1': key 'energy' is missing"),
    (
        ("cost", "net.yaml", "--hw", "edge_32x32", "--prices", "prices.yaml"),
        "machine 'edge_32x32': key 'area' is missing",
    ),
    (
        ("cost", "net.yaml", "--hw", "edge_45nm.yaml", "--prices", "drum.yaml"),
        "drum.yaml:5: memory.drum: must be one of dram (of machine 'edge_45nm') but is 'drum'",
    ),
    (
        ("cost", "net.yaml", "--hw", "edge_45nm.yaml", "--prices", "gone.yaml"),
        "gone.yaml: ",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_what_is_refused(arguments: tuple[str, ...], message: str, command: Command) -> None:
    Path("net.yaml").write_text(NETWORK)
    prices = Path("prices.yaml").read_text()
    Path("drum.yaml").write_text(prices.replace("{dram: 1/GiB}", "{drum: 1/GiB}"))
    done = command(*arguments)
    assert done.status == 2
    assert done.err.startswith(f"error: {message}")
    assert done.out == ""


def test_the_schema_of_prices_is_printed(command: Command) -> None:
    assert "wafer" in json.loads(command("schema", "prices").out)["properties"]
