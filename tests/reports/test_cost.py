"""Costs: published examples of dies and yields, the whole sum by hand, and what is refused."""

from __future__ import annotations

import re
from math import exp
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from accel.spec_file import parse_spec
from foundation.errors import PriceError, SpecError, WorkloadError
from reports.cost import cost_of, die_yield, dies_per_wafer
from reports.cost_text import cost_text
from reports.prices import Prices, load_prices, schema
from reports.report import Report
from tests.reports.runs import SMALL, VIEWS, run

PRICES: dict[str, Any] = {
    "currency": "credits",
    "wafer": {"cost": 5000, "diameter": "300mm"},
    "yield": {"model": "poisson", "defects": "0.2/cm2"},
    "packaging": 3,
    "memory": {"dram": "2/GiB"},
    "other": 10,
    "electricity": "0.25/kWh",
    "power_usage_effectiveness": 1.5,
    "lifetime": "3 years",
    "utilization": 0.25,
}
AREA = (
    "{pe: 0.01mm2, vector_lane: 0.1mm2,"
    " scratchpads: {input: 1mm2, weight: 1mm2, psum: 1mm2, output: 1mm2}, other: 2.56mm2}"
)


def prices(**changes: Any) -> Prices:
    return Prices.model_validate({**PRICES, **changes})


def report(energy: str = "{leakage: 100mW}", area: str = AREA) -> Report:
    text = f"base: edge_32x32\nname: m\nenergy: {energy}\narea: {area}\n"
    return run(SMALL, parse_spec(text, "m.yaml")).report


def test_dies_of_a_wafer_as_published() -> None:
    """Hennessy and Patterson, 6th ed., section 1.6: 1.5 cm and 1 cm on a side, 300 mm."""
    assert dies_per_wafer(300, 225) == pytest.approx(270, abs=0.5)
    assert dies_per_wafer(300, 100) == pytest.approx(640, abs=0.5)


def test_yields_as_published() -> None:
    """The same section: 120 of 270 and 444 of 640 dies work, with 0.047 defects a cm2.

    That is what N = 8 gives; the text says 12, with which it would be 81 and 369.
    """
    bose = {"model": "bose_einstein", "defects": "0.047/cm2", "complexity": 8}
    model = prices(**{"yield": bose}).yield_
    assert 270 * die_yield(model, 225) == pytest.approx(120, abs=1)
    assert 640 * die_yield(model, 100) == pytest.approx(444, abs=1)


@given(st.floats(0.1, 900), st.floats(0.001, 5))
def test_yields_agree_where_they_must(die_mm2: float, defects: float) -> None:
    """Poisson is the limit of no clustering; clustering and few defects only help."""

    def of(model: str, **parameter: float) -> float:
        given_yield = {"model": model, "defects": f"{defects:f}/cm2", **parameter}
        return die_yield(prices(**{"yield": given_yield}).yield_, die_mm2)

    poisson = of("poisson")
    assert poisson == pytest.approx(exp(-die_mm2 / 100 * float(f"{defects:f}")))
    assert of("negative_binomial", clustering=1e6) == pytest.approx(poisson, rel=1e-2, abs=1e-12)
    assert poisson <= of("negative_binomial", clustering=3) <= of("negative_binomial", clustering=1)
    seeds = of("bose_einstein", complexity=1)
    assert of("negative_binomial", clustering=1) == pytest.approx(seeds)


def test_a_cost_by_hand() -> None:
    """A die of 20 mm2 in 3,457 of a wafer; 96 % of them work."""
    run_report = report()
    found = cost_of(run_report, prices())
    area_mm2 = 1024 * 0.01 + 32 * 0.1 + 4 + 2.56
    dies = 3.141592653589793 * 150**2 / area_mm2 - 3.141592653589793 * 300 / (2 * area_mm2) ** 0.5
    die = 5000 / (dies * exp(-0.2 * area_mm2 / 100))
    hours = 3 * 365.25 * 24
    inferences = hours * 0.25 * 3600 / run_report.time_s
    used_kwh = inferences * run_report.energy_pj * 1e-12 / 3.6e6
    idle_kwh = hours * 0.75 * 0.1e-3
    electricity = (used_kwh + idle_kwh) * 1.5 * 0.25
    ownership = die + 3 + 4 * 2 + 10 + electricity
    assert found.die_mm2 == pytest.approx(area_mm2)
    assert found.purchase == pytest.approx(die + 21)
    assert found.electricity == pytest.approx(electricity)
    assert found.per_inference == pytest.approx(ownership / inferences)
    assert found.inferences_per_s_per_cost == pytest.approx(1 / run_report.time_s / ownership)
    assert found.unknown == ()
    text = cost_text(run_report, prices(), found)
    assert "at least" not in text
    assert "not counted" not in text


def test_a_cost_is_a_record() -> None:
    found = cost_of(report(), prices())
    record = found.as_record()
    assert (record["per_inference"], record["unknown"]) == (found.per_inference, [])
    assert set(record) >= {"die_yield", "ownership", "inferences_per_s_per_cost"}


NULL_AREA = AREA.replace("other: 2.56mm2", "other: null")
UNKNOWN = [
    ({"packaging": None}, {}, "price of packaging"),
    ({"other": None}, {}, "price of other"),
    ({"memory": {"dram": None}}, {}, "price of memory dram"),
    ({}, {"area": NULL_AREA}, "area of other"),
    ({}, {"energy": "{leakage: null}"}, "leakage"),
    (
        {},
        {"energy": "{technology: {node: 45nm, dram: generic}, vector: null}"},
        "energy of vector unit",
    ),
]


@pytest.mark.parametrize(("price", "machine", "what"), UNKNOWN)
def test_what_is_not_known_makes_costs_lower_bounds(
    price: dict[str, Any], machine: dict[str, str], what: str
) -> None:
    run_report = report(**machine)
    found = cost_of(run_report, prices(**price))
    assert found.unknown == (what,)
    text = cost_text(run_report, prices(**price), found)
    starts = {line.partition(" ")[0]: line.split()[1] for line in text.splitlines()[2:]}
    assert (starts["cost"], starts["ownership"]) == ("at", "at")
    assert (starts["electricity"] == "at") == what.startswith(("energy", "leakage"))
    assert (starts["purchase"] == "at") == what.startswith(("area", "price"))
    assert re.search(r"^performance +at most ", text, re.MULTILINE)
    assert text.endswith(f"not counted  {what}")
    if None in price.values():
        assert "not known" in text


def refused(run_report: Report, **changes: Any) -> str:
    with pytest.raises((PriceError, SpecError, WorkloadError)) as caught:
        cost_of(run_report, prices(**changes))
    return str(caught.value)


def test_prices_that_do_not_fit_the_machine_are_refused() -> None:
    assert refused(report(), memory={"drum": "1/GiB"}) == (
        "memory.drum: must be one of dram (of machine 'm') but is 'drum'; did you mean 'dram'?"
    )
    assert refused(report(), memory={}) == (
        "memory: 'memory.dram' of machine 'm' is missing; add a price such as 5/GiB, or null where"
        " none is known"
    )
    assert refused(report(), wafer={"cost": 1, "diameter": "4mm"}) == (
        "wafer: a die of 20 mm2 doesn't fit a wafer of 4 mm; give a machine with an area, or a"
        " larger 'diameter'"
    )
    assert refused(report(area="null")).startswith("machine 'm': key 'area' is missing")
    assert refused(report(energy="null")).startswith("machine 'm': key 'energy' is missing")
    text = f"base: edge_32x32\nname: m\narea: {AREA}\n"
    nothing = run(VIEWS, parse_spec(text, "m.yaml")).report
    assert refused(nothing) == "network 'views': takes no time, so that it has no cost"


MISTAKES = [
    ({"currency": None}, "1: currency: must be a name"),
    ({"electricity": 0.2}, "electricity: '0.2': a price of electricity needs a unit"),
    ({"utilization": 0}, "utilization: "),
    ({"utilization": 1.5}, "utilization: "),
    ({"lifetime": "4 months"}, "isn't a unit of a lifetime (years, year, days, day, hours, hour)"),
    ({"power_usage_effectiveness": 0.9}, "power_usage_effectiveness: "),
    ({"wafer": {"cost": -1, "diameter": "300mm"}}, "wafer.cost: "),
    ({"yield": {"model": "murphy", "defects": "1/cm2"}}, "must be one of poisson, negative_bin"),
    ({"yield": {"model": "negative_binomial", "defects": "1/cm2"}}, "needs 'clustering'; add it"),
    (
        {"yield": {"model": "poisson", "defects": "1/cm2", "clustering": 2}},
        "'clustering' isn't a parameter of 'poisson'; remove it",
    ),
    ({"price": 3}, "price: unknown key 'price'"),
]


@pytest.mark.parametrize(("change", "message"), MISTAKES)
def test_mistakes_in_a_file_are_named(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(yaml.safe_dump({**PRICES, **change}))
    with pytest.raises(PriceError, match=re.escape(message)) as caught:
        load_prices(path)
    assert re.match(rf"{re.escape(str(path))}:\d+: ", str(caught.value))


@pytest.mark.parametrize("key", PRICES)
def test_every_key_is_asked_for_by_name(key: str, tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(yaml.safe_dump({name: one for name, one in PRICES.items() if name != key}))
    with pytest.raises(PriceError, match=f"key '{key}' is missing; add it$"):
        load_prices(path)


def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text("- 1\n")
    with pytest.raises(PriceError, match=r"prices are a mapping \(key: value\)$"):
        load_prices(path)


def test_prices_follow_the_schema(tmp_path: Path) -> None:
    jsonschema.validate(PRICES, schema())
    path = tmp_path / "prices.yaml"
    path.write_text(yaml.safe_dump(PRICES))
    assert load_prices(path) == prices()


@pytest.mark.parametrize(
    ("text", "per_cm2"), [("1/cm2", 1), ("0.01/mm2", 1), ("6.4516/in2", 1), ("0/cm2", 0)]
)
def test_densities_of_defects(text: str, per_cm2: float) -> None:
    found = prices(**{"yield": {"model": "poisson", "defects": text}}).yield_.defects
    assert found == pytest.approx(per_cm2)
