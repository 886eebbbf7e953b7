"""Successive halving: many points are priced cheaply, and the best of them more exactly.

References
----------
.. [1] L. Li, K. Jamieson, G. DeSalvo, A. Rostamizadeh, A. Talwalkar, "Hyperband: A Novel
   Bandit-Based Approach to Hyperparameter Optimization", JMLR 18(185), 2018, algorithm 1.
.. [2] K. Deb, A. Pratap, S. Agarwal, T. Meyarivan, "A Fast and Elitist Multiobjective Genetic
   Algorithm: NSGA-II", IEEE Transactions on Evolutionary Computation 6(2), 2002.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mapper.search.pareto import on_front


def promoted(values: Mapping[int, Sequence[float]], eta: int) -> list[int]:
    """Return the numbers of the best points, the best first: one of each ``eta``, rounded up.

    Parameters
    ----------
    values
        Number of each point to its objectives, all to be small.
    eta
        Of so many points one goes on.

    Notes
    -----
    Points of a front that fewer others surpass come first, and within a front those that are
    further from their neighbours [2]_. Of equals the smaller number comes first.
    """
    numbers = np.array(sorted(values), dtype=np.int64)
    if not len(numbers):
        return []
    table = np.array([values[number] for number in numbers.tolist()], dtype=np.float64)
    wanted = -(-len(numbers) // eta)
    found: list[int] = []
    while len(found) < wanted:
        front = np.flatnonzero(_best(table))
        # A stable sort, so that of equals the first stays first.
        order = front[np.argsort(-crowding(table[front]), kind="stable")]
        found += numbers[order].tolist()
        numbers, table = np.delete(numbers, front), np.delete(table, front, axis=0)
    return found[:wanted]


def _best(table: NDArray[np.float64]) -> NDArray[np.bool_]:
    if table.shape[1] == 1:
        result: NDArray[np.bool_] = table[:, 0] == table[:, 0].min()
        return result
    return on_front(table)


def crowding(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far points of a front are from their neighbours, infinitely far at its ends.

    Parameters
    ----------
    values
        Of shape (points, objectives).

    Notes
    -----
    For each objective the distance between the two neighbours, over that between the ends [2]_.
    """
    result = np.zeros(len(values))
    for column in values.T:
        order = np.argsort(column, kind="stable")
        ordered = column[order]
        width = ordered[-1] - ordered[0]
        result[order[[0, -1]]] = np.inf
        if width > 0:
            result[order[1:-1]] += (ordered[2:] - ordered[:-2]) / width
    return result
