"""The cost of an inference as text."""

from __future__ import annotations

from reports.cost import Cost
from reports.prices import Prices
from reports.report import Report
from reports.tables import lines_of, rate

_MILLION = 1e6
_THOUSAND = 1e3


def cost_text(report: Report, prices: Prices, cost: Cost) -> str:
    """Return what a machine costs over its life, and an inference on it."""
    least, most = ("at least ", "at most ") if cost.unknown else ("", "")
    die_least = _at_least(cost, "area")
    bought_least = _at_least(cost, "area", "price")
    used_least = _at_least(cost, "energy", "leakage")
    name = prices.currency

    def money(amount: float) -> str:
        return f"{amount:,.4g} {name}"

    bought = {
        "die": cost.die,
        "packaging": cost.packaging,
        "memory": cost.memory,
        "other": cost.other,
    }
    parts = ", ".join(
        f"{what} {'not known' if amount is None else f'{amount:,.4g}'}"
        for what, amount in bought.items()
    )
    lines = [
        (
            "die",
            f"{die_least}{cost.die_mm2:.4g} mm2, {cost.dies_per_wafer:,.0f} on a wafer,"
            f" {cost.die_yield:.1%} of them work ({prices.yield_.model})",
        ),
        ("purchase", f"{bought_least}{money(cost.purchase)}: {parts}"),
        ("electricity", f"{used_least}{money(cost.electricity)} in {prices.lifetime:,.0f} hours"),
        ("ownership", f"{least}{money(cost.ownership)}"),
        (
            "inferences",
            f"{cost.inferences:,.4g} in {prices.utilization:.0%} of the time,"
            f" {rate(cost.inferences_per_s)} per second",
        ),
        ("cost", f"{least}{money(cost.per_inference * _MILLION)} for a million inferences"),
        (
            "performance",
            f"{most}{rate(cost.inferences_per_s_per_cost * _THOUSAND)} inferences/s for a"
            f" thousand {name} of ownership",
        ),
    ]
    if cost.unknown:
        lines.append(("not counted", ", ".join(cost.unknown)))
    head = f"{report.network}, batch {report.batch}, on {report.spec.name} ({report.spec.label})"
    return "\n".join([head, "", *lines_of(lines)])


def _at_least(cost: Cost, *kinds: str) -> str:
    """Return what to put before a number that lacks something of these kinds."""
    return "at least " if any(one.startswith(kinds) for one in cost.unknown) else ""
