"""Compiled loops over many small matrices at once, one matrix in each lane of a vector register.

A LAPACK call for each small matrix spends its time on calls, edges and short vectors. Here entry `(i, j)` of `lanes`
matrices lies in one vector, and all of them go through the same instructions. Matrices are stored as *panels* of four
rows: vector `4 k + a` of a panel is entry `k` of its row `a`, so that a tile of 4 × 4 entries is updated from two
contiguous streams and stays in registers (Numba compiles; the tiles are written in LLVM's own language, since a loop
over lanes in Python reaches a fraction of the speed).

What happens to one matrix depends neither on the lanes beside it nor on how many there are.

Imported by `verify.network.kernel` when it is first needed: Numba takes a fraction of a second to start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.core.extending import intrinsic

from verify.compiled import compiled

Floats = npt.NDArray[np.floating[Any]]
Words = npt.NDArray[np.int32]
Places = npt.NDArray[np.intp]

TILE = 4
_LEAST_SQUARE = 1e-200  # squares of lengths in this range lose nothing; others are scaled first
_LARGEST_DIAGONAL = 1.01


def register_bytes() -> int:
    """Bytes in a vector register of this machine."""
    features = binding.get_host_cpu_features()
    if features.get("avx512f"):
        return 64
    return 32 if features.get("avx") else 16


LANES = {np.dtype(np.float32): register_bytes() // 4, np.dtype(np.float64): register_bytes() // 8}
"""Matrices side by side, by type; a multiple of it in any block."""
_LANES_32, _LANES_64 = LANES[np.dtype(np.float32)], LANES[np.dtype(np.float64)]

_INDEX = ir.IntType(64)


class _Vectors:
    """Writes vector instructions; `element` is the type that decides how many lanes there are."""

    def __init__(self, builder: Any, element: Any) -> None:
        self.builder = builder
        self.lanes = register_bytes() // (8 if isinstance(element, ir.DoubleType) else 4)
        self.reals = ir.VectorType(element, self.lanes)
        self.integers = ir.VectorType(ir.IntType(32), self.lanes)
        self._names = {
            self.reals: f"v{self.lanes}f{64 if isinstance(element, ir.DoubleType) else 32}",
            self.integers: f"v{self.lanes}i32",
        }

    def index(self, *terms: Any) -> Any:
        """A sum of integers."""
        total = _INDEX(0)
        for term in terms:
            total = self.builder.add(total, _INDEX(term) if isinstance(term, int) else term)
        return total

    def times(self, number: Any, factor: Any) -> Any:
        """A product of integers."""
        return self.builder.mul(number, _INDEX(factor) if isinstance(factor, int) else factor)

    def _place(self, data: Any, vector: Any, kind: Any) -> Any:
        first = self.builder.gep(data, [self.times(vector, self.lanes)])
        return self.builder.bitcast(first, kind.as_pointer())

    def load(self, data: Any, vector: Any) -> Any:
        """The vector with this number in an array."""
        return self.builder.load(self._place(data, vector, self.reals), align=4)

    def load_integers(self, data: Any, vector: Any) -> Any:
        """The vector with this number in an array of integers."""
        return self.builder.load(self._place(data, vector, self.integers), align=4)

    def store(self, value: Any, data: Any, vector: Any) -> None:
        """Stores a vector as the one with this number."""
        self.builder.store(value, self._place(data, vector, value.type), align=4)

    def scalar(self, data: Any, entry: Any) -> Any:
        """One entry of an array, in every lane."""
        return self.splat(self.builder.load(self.builder.gep(data, [entry])))

    def splat(self, value: Any) -> Any:
        """A value in every lane."""
        kind = ir.VectorType(value.type, self.lanes)
        single = self.builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.IntType(32)(0))
        first = ir.Constant(self.integers, [0] * self.lanes)
        return self.builder.shuffle_vector(single, ir.Constant(kind, ir.Undefined), first)

    def constant(self, kind: Any, number: float) -> Any:
        """A number in every lane."""
        return ir.Constant(kind, [number] * self.lanes)

    def function(self, name: str, *arguments: Any) -> Any:
        """A function of LLVM on vectors of one type."""
        kind = arguments[0].type
        declared = cgutils.get_or_insert_function(
            self.builder.module,
            ir.FunctionType(kind, [kind] * len(arguments)),
            f"llvm.{name}.{self._names[kind]}",
        )
        return self.builder.call(declared, arguments)

    def minus_product(self, total: Any, left: Any, right: Any) -> Any:
        """`total − left·right`, rounded once where the machine can."""
        return self.function("fmuladd", self.builder.fneg(left), right, total)

    def variable(self, value: Any) -> Any:
        """A place for a value that changes in a loop; it ends up in a register."""
        return cgutils.alloca_once_value(self.builder, value)

    def tile(self, value: Callable[[int, int], Any]) -> list[list[Any]]:
        """4 × 4 variables."""
        return [[self.variable(value(a, b)) for b in range(TILE)] for a in range(TILE)]

    def add_products(
        self,
        tile: list[list[Any]],
        depth: Any,
        left: Callable[[Any, int], Any],
        right: Callable[[Any, int], Any],
        sign: int = 1,
    ) -> None:
        """Adds `sign·Σ_k left(k, a)·right(k, b)` to entry `(a, b)`, for `k < depth`, in this order."""
        with cgutils.for_range(self.builder, depth) as loop:
            columns = [left(loop.index, a) for a in range(TILE)]
            rows = [right(loop.index, b) for b in range(TILE)]
            if sign < 0:
                rows = [self.builder.fneg(row) for row in rows]
            for a in range(TILE):
                for b in range(TILE):
                    total = self.function("fmuladd", columns[a], rows[b], self.builder.load(tile[a][b]))
                    self.builder.store(total, tile[a][b])

    def values(self, tile: list[list[Any]]) -> list[list[Any]]:
        """What the variables hold."""
        return [[self.builder.load(entry) for entry in row] for row in tile]

    def panel(self, data: Any, start: Any) -> Callable[[Any, int], Any]:
        """Entry `k` of row `a` of the panel that starts at a vector."""
        return lambda k, a: self.load(data, self.index(start, self.times(k, TILE), a))


def _instruction(write: Callable[..., None], element: int = 0) -> Callable[[tuple[Any, ...], tuple[int, ...]], None]:
    """What compiled code calls as `name(arrays, numbers)`; `arrays[element]` has the type of the lanes."""

    def declare(context: Any, arrays: Any, numbers: Any) -> Any:
        signature = types.void(arrays, types.UniTuple(types.int64, len(numbers)))

        def generate(context: Any, builder: Any, signature: Any, arguments: Sequence[Any]) -> Any:
            kinds = signature.args[0].types
            members = cgutils.unpack_tuple(builder, arguments[0])
            data = [
                context.make_array(kind)(context, builder, member).data
                for kind, member in zip(kinds, members, strict=True)
            ]
            vectors = _Vectors(builder, context.get_data_type(kinds[element].dtype))
            write(vectors, *data, *cgutils.unpack_tuple(builder, arguments[1]))
            return context.get_dummy_value()

        return signature, generate

    return cast(Callable[[tuple[Any, ...], tuple[int, ...]], None], intrinsic(declare))


def _write_signs(v: _Vectors, bits: Any, W: Any, X: Any, at: Any, w: Any, depth: Any, first: Any, right: Any) -> None:
    """Sets the bits of four neurons from bit `first` on, at four samples, where the pre-activation is positive."""
    zero = v.constant(v.reals, 0.0)
    tile = v.tile(lambda a, b: zero)
    v.add_products(tile, depth, v.panel(W, w), right)
    for b in range(TILE):
        word = v.load_integers(bits, v.index(at, b))
        for a, row in enumerate(v.values(tile)):
            bit = v.splat(v.builder.shl(ir.IntType(32)(1 << a), v.builder.trunc(first, ir.IntType(32))))
            on = v.builder.fcmp_ordered(">", row[b], zero)
            word = v.builder.or_(word, v.builder.select(on, bit, v.constant(v.integers, 0)))
        v.store(word, bits, v.index(at, b))


def _write_signs_own(v: _Vectors, bits: Any, W: Any, X: Any, at: Any, w: Any, x: Any, depth: Any, first: Any) -> None:
    _write_signs(v, bits, W, X, at, w, depth, first, v.panel(X, x))


def _write_signs_shared(
    v: _Vectors, bits: Any, W: Any, X: Any, at: Any, w: Any, x: Any, depth: Any, first: Any
) -> None:
    _write_signs(v, bits, W, X, at, w, depth, first, lambda k, b: v.scalar(X, v.index(x, v.times(k, TILE), b)))


def _write_gram(
    v: _Vectors,
    L: Any,
    bits: Any,
    counts: Any,
    scales: Any,
    coefficients: Any,
    at: Any,
    i: Any,
    j: Any,
    words: Any,
    width: Any,
    samples: Any,
    inner: Callable[[int, int], Any],
) -> None:
    """A tile of `s_i (AᵀA)_ij (XᵀX)_ij s_j` for given `XᵀX`.

    `AᵀA` counts: how often two samples are both active, in one case of two, and both inactive; each count is exact.
    """
    none = v.constant(v.integers, 0)
    differ = v.tile(lambda a, b: none)
    with cgutils.for_range(v.builder, words) as loop:
        word = v.times(loop.index, samples)
        columns = [v.load_integers(bits, v.index(word, i, a)) for a in range(TILE)]
        rows = [v.load_integers(bits, v.index(word, j, b)) for b in range(TILE)]
        for a in range(TILE):
            for b in range(TILE):
                seen = v.function("ctpop", v.builder.xor(columns[a], rows[b]))
                v.builder.store(v.builder.add(v.builder.load(differ[a][b]), seen), differ[a][b])
    both, one, neither = (v.scalar(coefficients, _INDEX(place)) for place in range(3))
    neurons = v.splat(v.builder.trunc(width, ir.IntType(32)))
    of_columns = [(v.load_integers(counts, v.index(i, a)), v.load(scales, v.index(i, a))) for a in range(TILE)]
    of_rows = [(v.load_integers(counts, v.index(j, b)), v.load(scales, v.index(j, b))) for b in range(TILE)]
    for a, row in enumerate(v.values(differ)):
        for b, different in enumerate(row):
            active = v.builder.sub(v.builder.add(of_columns[a][0], of_rows[b][0]), different)
            active = v.builder.lshr(active, v.constant(v.integers, 1))
            inactive = v.builder.sub(v.builder.sub(neurons, active), different)
            total = v.builder.fmul(neither, v.builder.sitofp(inactive, v.reals))
            total = v.function("fmuladd", one, v.builder.sitofp(different, v.reals), total)
            total = v.function("fmuladd", both, v.builder.sitofp(active, v.reals), total)
            total = v.builder.fmul(v.builder.fmul(total, of_columns[a][1]), v.builder.fmul(inner(a, b), of_rows[b][1]))
            v.store(total, L, v.index(at, TILE * b + a))


def _write_gram_own(
    v: _Vectors, L: Any, bits: Any, counts: Any, scales: Any, coefficients: Any, X: Any,
    at: Any, i: Any, j: Any, words: Any, width: Any, samples: Any, features: Any,
) -> None:  # fmt: skip
    """The same where each region has its own inputs, given as panels of their columns."""
    zero = v.constant(v.reals, 0.0)
    products = v.tile(lambda a, b: zero)
    v.add_products(products, features, v.panel(X, v.times(i, features)), v.panel(X, v.times(j, features)))
    inner = v.values(products)
    _write_gram(
        v, L, bits, counts, scales, coefficients, at, i, j, words, width, samples, lambda a, b: inner[a][b]
    )  # fmt: skip


def _write_gram_shared(
    v: _Vectors, L: Any, bits: Any, counts: Any, scales: Any, coefficients: Any, inner: Any,
    at: Any, i: Any, j: Any, words: Any, width: Any, samples: Any,
) -> None:  # fmt: skip
    """The same where all regions have the inputs whose Gram matrix is `inner`."""

    def entry(a: int, b: int) -> Any:
        return v.scalar(inner, v.index(v.times(v.index(i, a), samples), j, b))

    _write_gram(v, L, bits, counts, scales, coefficients, at, i, j, words, width, samples, entry)


def _write_solve(v: _Vectors, L: Any, reciprocals: Any, row: Any, column: Any, first: Any) -> None:
    """Turns a tile of the matrix into one of its factor: columns from `first` on, rows of the panel `row`.

    `column` is the panel of the diagonal tile of those columns.
    """
    at = v.index(row, v.times(first, TILE))
    tile = v.tile(lambda a, b: v.load(L, v.index(at, TILE * b + a)))
    v.add_products(tile, first, v.panel(L, row), v.panel(L, column), -1)
    values = v.values(tile)
    diagonal = v.index(column, v.times(first, TILE))
    for b in range(TILE):
        scale = v.load(reciprocals, v.index(first, b))
        factors = [v.load(L, v.index(diagonal, TILE * c + b)) for c in range(b)]
        for a in range(TILE):
            for c, factor in enumerate(factors):
                values[a][b] = v.minus_product(values[a][b], values[a][c], factor)
            values[a][b] = v.builder.fmul(values[a][b], scale)
            v.store(values[a][b], L, v.index(at, TILE * b + a))


def _write_factor(v: _Vectors, L: Any, reciprocals: Any, lift: Any, alive: Any, row: Any, first: Any) -> None:
    """The same for a tile on the diagonal, to which `lift` is added; a matrix with a pivot not above zero dies."""
    at = v.index(row, v.times(first, TILE))
    tile = v.tile(lambda a, b: v.load(L, v.index(at, TILE * b + a)))
    none, living = v.constant(v.integers, 0), v.load_integers(alive, _INDEX(0))
    for b in range(TILE):
        # The bound on the error of the factorisation needs a diagonal of ones.
        entry = v.builder.load(tile[b][b])
        living = v.builder.select(
            v.builder.fcmp_ordered("<", entry, v.constant(v.reals, _LARGEST_DIAGONAL)), living, none
        )
        v.builder.store(v.builder.fadd(entry, v.load(lift, v.index(first, b))), tile[b][b])
    v.add_products(tile, first, v.panel(L, row), v.panel(L, row), -1)
    values = v.values(tile)
    for b in range(TILE):
        for c in range(b):
            values[b][b] = v.minus_product(values[b][b], values[b][c], values[b][c])
        living = v.builder.select(
            v.builder.fcmp_ordered(">", values[b][b], v.constant(v.reals, 0.0)), living, none
        )  # fmt: skip
        scale = v.builder.fdiv(v.constant(v.reals, 1.0), v.function("sqrt", values[b][b]))
        v.store(scale, reciprocals, v.index(first, b))
        for a in range(b + 1, TILE):
            for c in range(b):
                values[a][b] = v.minus_product(values[a][b], values[a][c], values[b][c])
            values[a][b] = v.builder.fmul(values[a][b], scale)
            v.store(values[a][b], L, v.index(at, TILE * b + a))
    v.store(living, alive, _INDEX(0))


def _write_select(
    v: _Vectors, L: Any, reciprocals: Any, alive: Any, thresholds: Any, row: Any, first: Any
) -> None:  # fmt: skip
    """`_write_factor` for a matrix that may be singular: a pivot below the first threshold gives a column of zeros.

    A matrix with a pivot between the first and the second threshold dies.
    """
    at = v.index(row, v.times(first, TILE))
    tile = v.tile(lambda a, b: v.load(L, v.index(at, TILE * b + a)))
    v.add_products(tile, first, v.panel(L, row), v.panel(L, row), -1)
    values = v.values(tile)
    living, none = v.load_integers(alive, _INDEX(0)), v.constant(v.integers, 0)
    zero, one = v.constant(v.reals, 0.0), v.constant(v.reals, 1.0)
    low, high = v.scalar(thresholds, _INDEX(0)), v.scalar(thresholds, _INDEX(1))
    for b in range(TILE):
        for c in range(b):
            values[b][b] = v.minus_product(values[b][b], values[b][c], values[b][c])
        kept = v.builder.fcmp_ordered(">=", values[b][b], high)
        skipped = v.builder.fcmp_ordered("<=", values[b][b], low)
        living = v.builder.select(v.builder.or_(kept, skipped), living, none)
        scale = v.builder.fdiv(one, v.function("sqrt", v.builder.select(kept, values[b][b], one)))
        scale = v.builder.select(kept, scale, zero)
        v.store(scale, reciprocals, v.index(first, b))
        for a in range(b + 1, TILE):
            for c in range(b):
                values[a][b] = v.minus_product(values[a][b], values[a][c], values[b][c])
            values[a][b] = v.builder.fmul(values[a][b], scale)
            v.store(values[a][b], L, v.index(at, TILE * b + a))
    v.store(living, alive, _INDEX(0))


def _write_products(v: _Vectors, found: Any, left: Any, right: Any, at: Any, a: Any, b: Any, depth: Any) -> None:
    """A tile of the product of two panels."""
    tile = v.tile(lambda a, b: v.constant(v.reals, 0.0))
    v.add_products(tile, depth, v.panel(left, a), v.panel(right, b))
    for row, values in enumerate(v.values(tile)):
        for column, value in enumerate(values):
            v.store(value, found, v.index(at, TILE * column + row))


def _write_add_squares(v: _Vectors, total: Any, left: Any, right: Any, a: Any, b: Any, depth: Any) -> None:
    """Adds the squares of the entries of a tile of the product of two panels."""
    tile = v.tile(lambda a, b: v.constant(v.reals, 0.0))
    v.add_products(tile, depth, v.panel(left, a), v.panel(right, b))
    place = _INDEX(0)
    value = v.load(total, place)
    for row in v.values(tile):
        for entry in row:
            value = v.function("fmuladd", entry, entry, value)
    v.store(value, total, place)


def _of_rows(v: _Vectors, data: Any, n: Any, size: Any) -> Callable[[Any, int], Any]:
    """Entry `n + b` of row `k` of a matrix in panels of `size` vectors."""

    def entry(k: Any, b: int) -> Any:
        panel, row = v.builder.lshr(k, _INDEX(2)), v.builder.and_(k, _INDEX(TILE - 1))
        return v.load(data, v.index(v.times(panel, size), v.times(v.index(n, b), TILE), row))

    return entry


def _write_substitute(
    v: _Vectors, Q: Any, G: Any, L: Any, reciprocals: Any, row: Any, first: Any, n: Any, size: Any
) -> None:
    """Rows `first` to `first + 3` of `L⁻¹ G` at four samples from `n` on; `row` is the panel of these rows of `L`."""
    at = v.index(v.times(v.builder.lshr(first, _INDEX(2)), size), v.times(n, TILE))
    tile = v.tile(lambda a, b: v.load(G, v.index(at, TILE * b + a)))
    v.add_products(tile, first, v.panel(L, row), _of_rows(v, Q, n, size), -1)
    values = v.values(tile)
    diagonal = v.index(row, v.times(first, TILE))
    for a in range(TILE):
        scale = v.load(reciprocals, v.index(first, a))
        for b in range(TILE):
            for c in range(a):
                factor = v.load(L, v.index(diagonal, TILE * c + a))
                values[a][b] = v.minus_product(values[a][b], factor, values[c][b])
            values[a][b] = v.builder.fmul(values[a][b], scale)
            v.store(values[a][b], Q, v.index(at, TILE * b + a))


def _write_project(v: _Vectors, P: Any, Q: Any, at: Any, n: Any, m: Any, rows: Any, size: Any) -> None:
    """A tile of `−QᵀQ`: samples from `n` on, and from `m` on."""
    tile = v.tile(lambda a, b: v.constant(v.reals, 0.0))
    v.add_products(tile, rows, _of_rows(v, Q, n, size), _of_rows(v, Q, m, size), -1)
    for a, values in enumerate(v.values(tile)):
        for b, value in enumerate(values):
            v.store(value, P, v.index(at, TILE * b + a))


def _write_count(context: Any, word: Any) -> Any:
    """Number of bits set."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Sequence[Any]) -> Any:
        return builder.ctpop(arguments[0])

    return types.int32(types.int32), generate


_count = cast(Callable[[int], int], intrinsic(_write_count))
_signs_own = _instruction(_write_signs_own, 1)
_signs_shared = _instruction(_write_signs_shared, 1)
_gram_own = _instruction(_write_gram_own)
_gram_shared = _instruction(_write_gram_shared)
_solve = _instruction(_write_solve)
_factor = _instruction(_write_factor)
_select = _instruction(_write_select)
_products = _instruction(_write_products)
_add_squares = _instruction(_write_add_squares)
_substitute = _instruction(_write_substitute)
_project = _instruction(_write_project)


@compiled
def _interleave(X: Floats, items: Places, factors: Floats, panels: Floats) -> None:
    """Columns of `X[item] * factors[lane]` as panels, `(tiles, features, TILE, lanes)`."""
    features, samples = X.shape[1], X.shape[2]
    whole = samples // TILE
    for k in range(features):
        for tile in range(whole):
            n = TILE * tile
            for lane in range(items.size):
                item = items[lane]
                panels[tile, k, 0, lane] = X[item, k, n] * factors[lane, n]
                panels[tile, k, 1, lane] = X[item, k, n + 1] * factors[lane, n + 1]
                panels[tile, k, 2, lane] = X[item, k, n + 2] * factors[lane, n + 2]
                panels[tile, k, 3, lane] = X[item, k, n + 3] * factors[lane, n + 3]
        for n in range(TILE * whole, samples):
            for lane in range(items.size):
                panels[whole, k, n - TILE * whole, lane] = X[items[lane], k, n] * factors[lane, n]


@compiled
def _aligned(rows: int, kind: Floats) -> Floats:
    """Zeros, `(rows, lanes)`, that begin where a vector register may, of the type and with the lanes of `kind`."""
    lanes = kind.shape[1]
    room = np.zeros((rows + 1) * lanes, kind.dtype)
    first = (-room.ctypes.data % (lanes * room.itemsize)) // room.itemsize
    return room[first : first + rows * lanes].reshape(rows, lanes)


@compiled
def signs_of_block(W: Floats, X: Floats, bits: Words, start: int, stop: int) -> None:
    """Bits of the patterns of regions `start` to `stop`: bit `i % 32` of `bits[b, i // 32, n]` for neuron i."""
    width, features = W.shape[1], W.shape[2]
    samples, shared = X.shape[2], X.shape[0] == 1
    words = bits.shape[1]
    rows, columns = -(-width // TILE), -(-samples // TILE)
    kind = np.zeros((1, _LANES_64))
    weights = _aligned(TILE * rows * features, kind).reshape(rows, features, TILE, _LANES_64)
    inputs = _aligned(TILE * columns * features, kind).reshape(columns, features, TILE, _LANES_64)
    scalars = np.zeros((columns, features, TILE))
    found = np.zeros((words, TILE * columns, _LANES_64), np.int32)
    items = np.zeros(_LANES_64, np.intp)
    ones = np.ones((_LANES_64, TILE * columns))
    if shared:
        for n in range(samples):
            for k in range(features):
                scalars[n // TILE, k, n % TILE] = X[0, k, n]
    for group in range(start, stop, _LANES_64):
        for lane in range(_LANES_64):
            items[lane] = min(group + lane, stop - 1)
        for i in range(width):
            row, a = divmod(i, TILE)
            for k in range(features):
                for lane in range(_LANES_64):
                    weights[row, k, a, lane] = W[items[lane], i, k]
        if not shared:
            _interleave(X, items, ones, inputs)
        found[:] = 0
        for column in range(columns):
            for row in range(rows):
                word, first = divmod(TILE * row, 32)
                at = word * TILE * columns + TILE * column
                numbers = (at, row * features * TILE, column * features * TILE, features, first)
                if shared:
                    _signs_shared((found, weights, scalars), numbers)
                else:
                    _signs_own((found, weights, inputs), numbers)
        for lane in range(min(_LANES_64, stop - group)):
            for word in range(words):
                for n in range(samples):
                    bits[group + lane, word, n] = found[word, n, lane]


@compiled
def _inverse_lengths(X: Floats, item: int, found: Floats) -> None:
    """One over the length of each sample, also where its square is out of range."""
    features, samples = X.shape[1], X.shape[2]
    found[:samples] = 0.0
    for k in range(features):
        for n in range(samples):
            found[n] += X[item, k, n] * X[item, k, n]
    for n in range(samples):
        if _LEAST_SQUARE < found[n] < 1 / _LEAST_SQUARE:
            found[n] = 1.0 / np.sqrt(found[n])
            continue
        largest = 0.0
        for k in range(features):
            largest = max(largest, abs(X[item, k, n]))
        total = 0.0
        for k in range(features):
            total += (X[item, k, n] / largest) ** 2
        found[n] = 1.0 / np.sqrt(total) / largest


@compiled
def _inner_products(X: Floats, padded: int, kind: Floats) -> Floats:
    """`XᵀX` for samples of length one, `(padded, padded)`, rounded to the type of `kind`."""
    features, samples = X.shape[1], X.shape[2]
    inverse = np.zeros(samples)
    _inverse_lengths(X, 0, inverse)
    products = np.zeros((padded, padded))
    row = np.zeros(samples)
    for k in range(features):
        for n in range(samples):
            row[n] = X[0, k, n] * inverse[n]
        for n in range(samples):
            for m in range(samples):
                products[n, m] += row[n] * row[m]
    return products.astype(kind.dtype)


@compiled
def proved_of_block(
    bits: Words, X: Floats, coefficients: Floats, width: int, shift: float, proved: npt.NDArray[np.bool_],
    chosen: Places, start: int, stop: int,
) -> None:  # fmt: skip
    """Sets `proved[start:stop]` where `(AᵀA) ⊙ (XᵀX)`, scaled to a diagonal of ones, minus `shift` has a factor.

    Region `chosen[p]` is decided at place p. `coefficients` are `a²`, `ab` and `b²` for the entries a of active and b
    of inactive neurons; their type is the precision.
    """
    words, samples = bits.shape[1], bits.shape[2]
    features, shared = X.shape[1], X.shape[0] == 1
    lanes = _LANES_32 if coefficients.itemsize == 4 else _LANES_64
    tiles = -(-samples // TILE)
    padded = TILE * tiles
    kind = np.zeros((1, lanes), coefficients.dtype)
    L = _aligned(2 * TILE * tiles * (tiles + 1), kind)
    inner = _inner_products(X, padded, kind) if shared else kind
    signs = np.zeros((words, padded, lanes), np.int32)
    counts = np.zeros((padded, lanes), np.int32)
    scales = _aligned(padded, kind)
    reciprocals = _aligned(padded, kind)
    lift = _aligned(padded, kind)
    lift[:] = 1.0
    lift[:samples] = -shift
    alive = np.zeros((1, lanes), np.int32)
    columns = _aligned(TILE * tiles * features, kind).reshape(tiles, features, TILE, lanes)
    inverse = np.zeros((lanes, padded))
    items = np.zeros(lanes, np.intp)
    for group in range(start, stop, lanes):
        for lane in range(lanes):
            items[lane] = chosen[min(group + lane, stop - 1)]
            if not shared:
                _inverse_lengths(X, items[lane], inverse[lane])
        counts[:] = 0
        for word in range(words):
            for n in range(samples):
                for lane in range(lanes):
                    signs[word, n, lane] = bits[items[lane], word, n]
                    counts[n, lane] += _count(bits[items[lane], word, n])
        for n in range(samples):
            for lane in range(lanes):
                active = counts[n, lane]
                scales[n, lane] = 1.0 / np.sqrt(coefficients[0] * active + coefficients[2] * (width - active))
        if not shared:
            _interleave(X, items, inverse, columns)
        alive[:] = 1
        for i in range(tiles):
            row = 2 * TILE * i * (i + 1)
            for j in range(i + 1):
                at = row + TILE * TILE * j
                if shared:
                    _gram_shared(
                        (L, signs, counts, scales, coefficients, inner),
                        (at, TILE * i, TILE * j, words, width, padded),
                    )
                else:
                    _gram_own(
                        (L, signs, counts, scales, coefficients, columns),
                        (at, TILE * i, TILE * j, words, width, padded, features),
                    )
                if j < i:
                    _solve((L, reciprocals), (row, 2 * TILE * j * (j + 1), TILE * j))
                else:
                    _factor((L, reciprocals, lift, alive), (row, TILE * i))
            if not alive.any():
                break
        for lane in range(min(lanes, stop - group)):
            proved[group + lane] = alive[0, lane] != 0


@compiled
def _rows_of_group(
    bits: Words, X: Floats, values: Floats, width: int, items: Places, G: Floats, alive: Words
) -> None:  # fmt: skip
    """Fills the panels `G` with the rows of `A ∘ X`, each divided by its length; regions with numbers out of range die.

    Also samples much shorter than others, for which the kernel is not clear, are out of range.
    """
    features, samples = X.shape[1], X.shape[2]
    lanes = G.shape[3]
    G[:] = 0.0
    columns = np.zeros(samples)
    entries = np.zeros(samples)
    for lane in range(lanes):
        item = items[lane]
        shared = 0 if X.shape[0] == 1 else item
        columns[:] = 0.0
        for k in range(features):
            largest = 0.0
            for n in range(samples):
                largest = max(largest, abs(X[shared, k, n]))
            if not largest < np.inf:
                alive[0, lane] = 0
            if largest == 0.0:
                continue
            for i in range(width):
                length = 0.0
                for n in range(samples):
                    active = (bits[item, i // 32, n] >> (i % 32)) & 1
                    entries[n] = values[1 - active] * (X[shared, k, n] / largest)
                    length = max(length, abs(entries[n]))
                if length == 0.0:
                    continue
                total = 0.0
                for n in range(samples):
                    entries[n] /= length
                    total += entries[n] * entries[n]
                total = np.sqrt(total)
                panel, a = divmod(i * features + k, TILE)
                for n in range(samples):
                    entry = entries[n] / total
                    # A NaN among the inputs reaches a length by no comparison, and ends here.
                    if not abs(entry) < 2.0:
                        alive[0, lane] = 0
                    columns[n] = max(columns[n], abs(entry))
                    G[panel, n, a, lane] = entry
        longest, shortest = 0.0, np.inf
        for n in range(samples):
            longest = max(longest, columns[n])
            if columns[n] > 0.0:
                shortest = min(shortest, columns[n])
        if shortest < longest * values[2]:
            alive[0, lane] = 0


@compiled
def _orthonormal_rows(
    G: Floats, Q: Floats, L: Floats, reciprocals: Floats, alive: Words, limits: Floats, tiles: int, across: int
) -> None:  # fmt: skip
    """Rows of `Q` from those of `G` by a Cholesky factorisation of `GGᵀ`; zero where one depends on those before."""
    size = TILE * TILE * across
    for i in range(tiles):
        row = 2 * TILE * i * (i + 1)
        for j in range(i + 1):
            _products((L, G, G), (row + TILE * TILE * j, i * size, j * size, TILE * across))
            if j < i:
                _solve((L, reciprocals), (row, 2 * TILE * j * (j + 1), TILE * j))
            else:
                _select((L, reciprocals, alive, limits), (row, TILE * i))
    for i in range(tiles):
        for n in range(across):
            _substitute((Q, G, L, reciprocals), (2 * TILE * i * (i + 1), TILE * i, TILE * n, size))


@compiled
def _products_of_rows(L: Floats, G: Floats, tiles: int, across: int) -> None:
    """`GGᵀ` into the lower tiles of `L`."""
    size = TILE * TILE * across
    for i in range(tiles):
        for j in range(i + 1):
            _products((L, G, G), (2 * TILE * i * (i + 1) + TILE * TILE * j, i * size, j * size, TILE * across))


@compiled
def kernels_of_block(
    bits: Words, X: Floats, values: Floats, width: int, limits: Floats, least: Floats, projector: Floats,
    rank: Places, error: Floats, chosen: Places, start: int, stop: int,
) -> None:  # fmt: skip
    """Projections on the kernels of `A ∘ X`, ranks, and bounds on the errors of the projections.

    Fills places `start` to `stop` for the regions `chosen`; the error of what was not decided is infinite. The method
    and the bound are those of `verify.network.kernel.projections`.

    - `values`: entries of active and of inactive neurons, and the least ratio of two samples' lengths;
    - `limits`: squared distances from the rows before below which a row is dependent, and above which it is not; the
      largest `‖G P‖` that is no doubt; unit roundoff;
    - `least`: eigenvalues to prove for the Gram matrix of the independent rows, the largest first.
    """
    features, samples = X.shape[1], X.shape[2]
    lanes = _LANES_64
    rows = width * features
    tiles, across = -(-rows // TILE), -(-samples // TILE)
    padded_rows, padded, size = TILE * tiles, TILE * across, TILE * TILE * across
    unit = limits[3]
    shift = 2.0 * unit * rows * (rows + samples + 20)
    kind = np.zeros((1, lanes))
    G, Q, R = _aligned(tiles * size, kind), _aligned(tiles * size, kind), _aligned(tiles * size, kind)
    P = _aligned(across * size, kind)
    L = _aligned(2 * TILE * tiles * (tiles + 1), kind)
    reciprocals, again = _aligned(padded_rows, kind), _aligned(padded_rows, kind)
    lift = _aligned(padded_rows, kind)
    squares, apart, proved = _aligned(1, kind), np.zeros(lanes), np.zeros(lanes)
    alive, positive = np.zeros((1, lanes), np.int32), np.zeros((1, lanes), np.int32)
    items = np.zeros(lanes, np.intp)
    for group in range(start, stop, lanes):
        for lane in range(lanes):
            items[lane] = chosen[min(group + lane, stop - 1)]
        alive[:] = 1
        _rows_of_group(bits, X, values, width, items, G.reshape(tiles, padded, TILE, lanes), alive)
        _orthonormal_rows(G, Q, L, reciprocals, alive, limits, tiles, across)
        _orthonormal_rows(Q, R, L, again, alive, limits, tiles, across)
        # How far the rows of R are from orthonormal.
        _products_of_rows(L, R, tiles, across)
        apart[:] = 0.0
        for i in range(tiles):
            for vector in range(TILE * TILE * (i + 1)):
                column, a = divmod(vector, TILE)
                for lane in range(lanes):
                    entry = L[2 * TILE * i * (i + 1) + vector, lane]
                    if column == TILE * i + a and reciprocals[column, lane] > 0.0:
                        entry -= 1.0
                    apart[lane] += 2.0 * entry * entry
        for n in range(across):
            for m in range(across):
                _project((P, R), (n * size + TILE * TILE * m, TILE * n, TILE * m, padded_rows, size))
        for n in range(samples):
            for lane in range(lanes):
                P[(n // TILE) * size + TILE * n + n % TILE, lane] += 1.0
        squares[:] = 0.0
        for i in range(tiles):
            for m in range(across):
                _add_squares((squares, G, P), (i * size, m * size, padded))
        # The independent rows alone, and their least eigenvalue.
        for row in range(padded_rows):
            for lane in range(lanes):
                if reciprocals[row, lane] == 0.0:
                    for n in range(padded):
                        G[(row // TILE) * size + TILE * n + row % TILE, lane] = 0.0
        proved[:] = 0.0
        for eigenvalue in least:
            for row in range(padded_rows):
                for lane in range(lanes):
                    lift[row, lane] = -(eigenvalue + shift) if reciprocals[row, lane] > 0.0 else 1.0
            positive[:] = 1
            _products_of_rows(L, G, tiles, across)
            for i in range(tiles):
                row = 2 * TILE * i * (i + 1)
                for j in range(i):
                    _solve((L, again), (row, 2 * TILE * j * (j + 1), TILE * j))
                _factor((L, again, lift, positive), (row, TILE * i))
            done = True
            for lane in range(lanes):
                if positive[0, lane] != 0 and proved[lane] == 0.0:
                    proved[lane] = eigenvalue
                done = done and (proved[lane] > 0.0 or alive[0, lane] == 0)
            if done:
                break
        for lane in range(min(lanes, stop - group)):
            place = group + lane
            rank[place] = (reciprocals[:, lane] > 0.0).sum()
            error[place] = np.inf
            if alive[0, lane] == 0 or proved[lane] == 0.0 or not squares[0, lane] <= limits[2] ** 2:
                continue
            # As many rows of R are not zero, and products with the others are exact.
            skew = np.sqrt(apart[lane]) + unit * rank[place] * (samples + 2) + unit * (rank[place] + 4) ** 2
            left = np.sqrt(squares[0, lane]) + unit * (samples + 10) * np.sqrt(rows * samples)
            error[place] = (left + 2.0 * skew * np.sqrt(rows)) / np.sqrt(proved[lane]) + 2.0 * skew
            for n in range(samples):
                for m in range(samples):
                    projector[place, n, m] = P[(n // TILE) * size + TILE * m + n % TILE, lane]
