"""Exact decisions on sums of signed cones: rational linear programs and a search over signs.

The question behind every differentiable local minimum with single neurons (finite-N note, F1d): is a target a sum
of `H_i u_i` in which every `u_i` is zero, or lies in plus or minus the open cone of its neuron? Unlike
`verify.network.minima`, which answers it for large regions in floating point, this is rational arithmetic
throughout: an answer is a proof. It is meant for a dozen cones in a few dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass

from flint import fmpq, fmpq_mat

NODE_LIMIT = 500
"""Sign choices examined before a question is left open."""

Row = list[fmpq]


@dataclass(frozen=True)
class Decision:
    """Whether the target is such a sum, and the blocks that one solution uses.

    Attributes:
        feasible: None if `NODE_LIMIT` was reached.
        used: indices of the blocks with `H_i u_i ≠ 0`, and perhaps some more; None unless feasible.
    """

    feasible: bool | None
    used: frozenset[int] | None = None


def decide(blocks: list[fmpq_mat], walls: list[fmpq_mat], target: fmpq_mat) -> Decision:
    """Is the target a sum of `H_i u_i` with every `u_i` zero, or in plus or minus its open cone?

    Signs are decided depth first: the parts without a sign are free, those with one must lie in their signed cone.

    Args:
        blocks: matrices `H_i`, `q × d0`.
        walls: for each block `m_i × d0`; the open cone is where all m_i products are positive. `H_i` must vanish
            where all of them are zero (for samples: what no sample sees changes no output).
        target: `q × 1`.
    """
    search = _Search(blocks, walls, target)
    try:
        return Decision(search.explore({}, frozenset()), search.used)
    except _OutOfNodes:
        return Decision(None)


def largest_margin(rows: list[Row]) -> tuple[fmpq, Row]:
    """The largest `t ≤ 1` for which some v has `rows·(v, 1) ≥ t`, and such a v; t is not exact once below zero.

    The simplex method with Bland's rule on the dual program, `min b·λ + μ` over `λ, μ ≥ 0` with `Σ λ_j r_j = 0`
    and `Σ λ_j + μ = 1`, which starts from `μ = 1`.

    Args:
        rows: `m` rows `(r_j, b_j)` of `f + 1` entries, `f ≥ 1`.

    Returns:
        t, and v with f entries; where `t < 0` that is only an upper bound below zero, and v is empty.
    """
    count, freedom = len(rows), len(rows[0]) - 1
    zero, one = fmpq(0), fmpq(1)
    reduced, rank = fmpq_mat([row[:-1] for row in rows]).transpose().rref()
    table = [[reduced[i, j] for j in range(count)] + [zero, zero] for i in range(rank)]
    basis = [next(j for j in range(count) if row[j]) for row in table]
    # Columns: λ, μ, right-hand side. Last but one row: the sum; last row: reduced costs.
    table.append([one] * (count + 2))
    table.append([row[-1] for row in rows] + [one, zero])
    basis.append(count)
    for i, pivot in enumerate(basis):
        for row in table[len(basis) - 1 if i < rank else len(basis) :]:
            if row[pivot]:
                _subtract(row, row[pivot], table[i])
    costs = table[-1]
    while -costs[-1] >= 0:
        entering = next((j for j in range(count + 1) if costs[j] < 0), None)
        if entering is None:
            return -costs[-1], _tight(rows, [j for j in basis if j < count], -costs[-1], freedom)
        ratios = [(table[i][-1] / table[i][entering], basis[i], i) for i in range(len(basis)) if table[i][entering] > 0]
        leaving = min(ratios)[2]  # never empty: the variables sum to 1
        scale = table[leaving][entering]
        table[leaving] = [value / scale for value in table[leaving]]
        for i, row in enumerate(table):
            if i != leaving and row[entering]:
                _subtract(row, row[entering], table[leaving])
        basis[leaving] = entering
    return -costs[-1], []


class _OutOfNodes(Exception):
    pass


@dataclass(frozen=True)
class _Solutions:
    """All u with `Σ H_i u_i = target`, some blocks dropped: `start + basis·v`."""

    start: fmpq_mat  # k·d0 × 1
    basis: fmpq_mat  # k·d0 × freedom
    margins: list[list[Row]]  # for each block its walls' products with (basis, start), one row a wall


class _Search:
    def __init__(self, blocks: list[fmpq_mat], walls: list[fmpq_mat], target: fmpq_mat) -> None:
        self.blocks, self.walls, self.target = blocks, walls, target
        self.d0 = blocks[0].ncols() if blocks else 0
        self.nodes_left = NODE_LIMIT
        self.used: frozenset[int] | None = None
        self._known: dict[frozenset[int], _Solutions | None] = {}

    def explore(self, chosen: dict[int, int], dropped: frozenset[int]) -> bool:
        """Whether there is a solution below this node; `used` then says which blocks it needs."""
        return self._below(chosen, dropped)[0]

    def _below(self, chosen: dict[int, int], dropped: frozenset[int]) -> tuple[bool, bool]:
        """Also whether the closures of the signed cones, at some node below, were not excluded."""
        space = self._solutions(dropped)
        if space is None:
            return False, False
        if not self.nodes_left:
            raise _OutOfNodes
        self.nodes_left -= 1
        rows = [[sign * value for value in row] for i, sign in chosen.items() for row in space.margins[i]]
        v: Row = [fmpq(0)] * space.basis.ncols()
        if rows:
            margin, v = largest_margin(rows) if v else (min(row[-1] for row in rows), v)
            if margin <= 0:
                return False, margin == 0
        unsettled = []
        for i, block in enumerate(space.margins):
            if i in chosen or i in dropped:
                continue
            values = [sum((a * b for a, b in zip(row, v, strict=False)), row[-1]) for row in block]
            least, most = min(values), max(values)
            if least <= 0 <= most and not least == most == 0:
                unsettled.append((max(least, -most), i, 1 if least > -most else -1))
        if not unsettled:
            u = space.start + space.basis * fmpq_mat(len(v), 1, v) if v else space.start
            self.used = frozenset(i // self.d0 for i, value in enumerate(u.entries()) if value)
            return True, True
        _, cell, first = min(unsettled)
        touching = []
        for sign in (first, -first):
            found, touched = self._below({**chosen, cell: sign}, dropped)
            if found:
                return True, True
            touching.append(touched)
        # A zero part lies in the closure of both signed cones, so it needs a look only if neither was excluded.
        found = all(touching) and self._below(chosen, dropped | {cell})[0]
        return found, any(touching)

    def _solutions(self, dropped: frozenset[int]) -> _Solutions | None:
        """None if there is no solution."""
        if dropped not in self._known:
            self._known[dropped] = self._solve(dropped)
        return self._known[dropped]

    def _solve(self, dropped: frozenset[int]) -> _Solutions | None:
        equations, size = self.target.nrows(), self.d0 * len(self.blocks)
        entries = []
        for row in range(equations):
            for i, block in enumerate(self.blocks):
                entries += [fmpq(0) if i in dropped else block[row, j] for j in range(self.d0)]
            entries.append(self.target[row, 0])
        reduced, rank = fmpq_mat(equations, size + 1, entries).rref()
        pivots = [next(j for j in range(size + 1) if reduced[row, j]) for row in range(rank)]
        if pivots and pivots[-1] == size:
            return None
        loose = [j for j in range(size) if j // self.d0 not in dropped and j not in pivots]
        start, basis = fmpq_mat(size, 1), fmpq_mat(size, len(loose))
        for row, pivot in enumerate(pivots):
            start[pivot, 0] = reduced[row, size]
            for column, j in enumerate(loose):
                basis[pivot, column] = -reduced[row, j]
        for column, j in enumerate(loose):
            basis[j, column] = fmpq(1)
        margins = []
        for i, walls in enumerate(self.walls):
            part = range(i * self.d0, (i + 1) * self.d0)
            both = fmpq_mat([[*(basis[j, c] for c in range(len(loose))), start[j, 0]] for j in part])
            margins.append([list(row) for row in (walls * both).tolist()])
        return _Solutions(start, basis, margins)


def _subtract(row: Row, factor: fmpq, other: Row) -> None:
    row[:] = [a - factor * b if b else a for a, b in zip(row, other, strict=True)]


def _tight(rows: list[Row], tight: list[int], margin: fmpq, freedom: int) -> Row:
    """A v at which the rows of the optimal basis have exactly the optimal margin."""
    v = [fmpq(0)] * freedom
    if tight:
        reduced, rank = fmpq_mat([[*rows[j][:-1], margin - rows[j][-1]] for j in tight]).rref()
        for i in range(rank):
            v[next(j for j in range(freedom) if reduced[i, j])] = reduced[i, freedom]
    return v
