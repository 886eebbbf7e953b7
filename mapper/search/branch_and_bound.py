"""Branch and bound: for map spaces that are too large to look at all of them."""

from __future__ import annotations

from heapq import heapify, heappop
from math import inf

import numpy as np

from mapper.cost import NestCosts
from mapper.energy_counts import least_energy_pj
from mapper.held import Slots, psum_bytes, waiting_bytes
from mapper.kernel import Role
from mapper.scores import that_fit
from mapper.search.exhaustive import open_site, search_sites
from mapper.search.objective import Bounds
from mapper.search.problem import Deadline, Effort, Problem, Result
from mapper.search.sites import Site
from mapper.space import Rows
from mapper.taking import Counts, Reals


def branch_and_bound(problem: Problem, effort: Effort) -> Result:
    """Return the best mappings, looking only at choices that may hold some.

    A node fixes the choice along the longest axis of a family's grid, such as tile and block of the
    dimension outside, at one place. Nodes are searched in the order of their bounds, until no other
    can hold a mapping that is near the best, or until the time is up: then the first bound that is
    left says how far from the best the result can be.
    """
    deadline = Deadline(effort)
    best, scored, remaining = problem.shortlist(), 0, inf
    sites = list(problem.places())
    nodes = [
        (bound, site.number, choice)
        for site in sites
        for choice, bound in enumerate(_node_bounds(problem, site).tolist())
        if bound < inf
    ]
    heapify(nodes)
    while nodes and nodes[0][0] <= best.cutoff:
        if deadline.is_over and best.least < inf:
            remaining = nodes[0][0]
            break
        _, number, choice = heappop(nodes)
        place = sites[number]
        axis = place.axis
        site = place.within(axis, slice(choice, choice + 1))._replace(
            number=len(sites) + number * place.nests.shape[axis] + choice
        )
        costs = NestCosts(site.nests.copy(), problem.spec).at(site.held)
        found = open_site(problem, site, costs, best.cutoff)
        count, left = search_sites(problem, [found], best, deadline)
        scored += count
        remaining = min(remaining, left)
    is_complete = remaining == inf
    return problem.result(
        best, scored, bound=remaining, pruned=is_complete, is_complete=is_complete
    )


def _node_bounds(problem: Problem, site: Site) -> Reals:
    """Return for each choice along a site's longest axis what its mappings have at least.

    Infinity where none of them fits, or is tried.
    """
    nests = site.nests
    axis = site.axis
    others = tuple(a for a in range(len(nests.shape)) if a != axis)
    by_operand = _least_moved(problem, site, others)
    moved = sum(by_operand, start=np.zeros(nests.shape[axis], dtype=np.int64))
    spec, objective = problem.spec, problem.objective
    in_memory = moved / spec.bandwidth_bytes_per_s * spec.clock_hz * (1 - 1e-12)
    cycles = np.maximum(in_memory, problem.least_cycles)
    energy_pj = None
    if objective.needs_energy:
        energy_pj = least_energy_pj(problem.kernel, spec, by_operand, cycles)
    bounds = Bounds(cycles, moved, np.ones_like(moved), energy_pj)
    value = -np.inf if objective.bound is None else objective.bound(bounds)
    tried = np.broadcast_to(site.rows, nests.shape).any(axis=others)
    fits = _can_fit(problem, site, others)
    return np.where(tried & fits, value, np.inf)


def _least_moved(problem: Problem, site: Site, others: tuple[int, ...]) -> list[Counts]:
    """Return for each operand and choice the bytes that are moved at least.

    Whatever the others are: an operand's parts are those of the best of them, and come again only
    in loops that surround them where the others cut nothing: their first choice is the whole. Where
    psums wait no choice is, and all are asked; a bias comes with the first part of K only. What is
    kept doesn't move.
    """
    nests, kernel = site.nests, problem.kernel
    waits = site.held[-1] < nests.depth
    reduced = frozenset(kernel.numbers(Role.K))
    whole = nests
    for axis in others:
        whole = whole.within(axis, slice(0, 1))
    found = []
    for number, (operand, depth) in enumerate(zip(kernel.operands, site.held, strict=True)):
        if operand.is_kept:
            moved = np.zeros(1, dtype=np.int64)
        elif waits:
            is_bias = 2 <= number < len(kernel.inputs)
            repeats = nests.repeats(operand, depth, reduced if is_bias else frozenset())
            every = nests.sweep_bytes(operand, depth) * repeats
            moved = _least(np.broadcast_to(every, nests.shape), others)
        else:
            parts = _least(nests.sweep_bytes(operand, depth), others)
            moved = parts * whole.repeats(operand, depth).reshape(-1)
        found.append(np.broadcast_to(moved, nests.shape[site.axis]))
    return found


def _can_fit(problem: Problem, site: Site, others: tuple[int, ...]) -> Rows:
    """Return for which choices something may fit: each region as small as the others make it.

    What is kept on the chip takes no room of the mapping's.
    """
    kernel, nests = problem.kernel, site.nests
    regions = [
        np.zeros(1, dtype=np.int64)
        if operand.is_kept
        else _least(nests.box_bytes(operand, depth), others)
        for operand, depth in zip(kernel.operands, (*site.held[:-1], nests.depth), strict=True)
    ]
    least, waiting = (
        None if size is None else _least(size, others)
        for size in (psum_bytes(nests), waiting_bytes(nests, site.held[-1]))
    )
    every = np.ones(nests.shape[site.axis], dtype=np.bool_)
    slots = Slots(kernel, problem.spec, regions, least, waiting)
    return that_fit(every, slots.required_bytes([None] * len(regions)), problem.capacity)


def _least(values: Counts, others: tuple[int, ...]) -> Counts:
    """Return the least over some axes of a grid, for each choice along the only other one."""
    return np.asarray(values.min(axis=others)) if values.ndim else values
