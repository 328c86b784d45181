"""Centroids of many isotope patterns at once, to the last bit those that cpyMSpec finds one by one.

cpyMSpec lays a grid of m/z over a pattern, 25 points a peak's width, adds each point to the one before, sums the
isotopologues' Gaussians at every point, and takes the local maxima. Nearly all of these points lie between the
isotopologues or on slopes. Here the grid is known without being walked: within a power of two, adding the same step
adds the same multiple of the last place, so that n steps are one multiplication, exactly. The sums are made around the
isotopologues alone, and only where one of the strongest centroids can lie. docs/annotation.md, Isotope patterns.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

FWHM_PER_SIGMA = 2.3548200450309493
MIN_ABUNDANCE = 1e-4
POINTS_PER_FWHM = 25

_REACH = 6.0
"""Standard deviations beyond which a Gaussian counts as nothing."""
_HALF_WINDOW = 7
"""Points on either side of a maximum that its centroid may take in."""
_MARGIN = _HALF_WINDOW + 3
"""Points around isotopologues that are looked at: maxima lie between them, and their windows reach beyond."""
_APART = 8.0
"""Standard deviations between isotopologues from which on neither moves the other's maximum by a point."""
_GRID_LOSS = 0.998
"""At least this share of an isotopologue's height is seen at the grid's nearest point."""

_MAX_POINTS = 90_000_000
"""cpyMSpec refuses patterns with more than 100 million points: from here on, it may decide."""

_EXP_FROM, _EXP_STEP = -18.0, 0.004
_KEY = 1 << 32
_CHUNK = 1 << 15


@dataclass(frozen=True)
class Isotopologues:
    """The isotopologues of n ions one after the other: m/z ascending, relative to the strongest, `count` [n] each."""

    mz: Floats
    abundance: Floats
    count: Integers

    @property
    def first(self) -> Integers:
        """Where those of each ion begin."""
        return np.cumsum(self.count) - self.count

    def take(self, ions: npt.NDArray[np.bool_]) -> Isotopologues:
        """Return those of some ions."""
        places = np.repeat(ions, self.count)
        return Isotopologues(self.mz[places], self.abundance[places], self.count[ions])


@dataclass(frozen=True)
class Maxima:
    """Centroids: the ion's number, m/z, and height relative to the strongest isotopologue.

    Of each ion at least its `peaks` strongest are there. `odd` numbers the ions whose grid is not known without
    walking it; they have none.
    """

    ion: Integers
    mz: Floats
    height: Floats
    odd: Integers


@dataclass(frozen=True)
class _Grid:
    """Stretches of the grid with equal steps: of which ion, from which point on, where that is, step and width.

    Ordered by ion and point.
    """

    ion: Integers
    point: Integers
    start: Floats
    step: Floats
    sigma: Floats
    nominal_step: Floats

    @cached_property
    def key(self) -> Integers:
        return self.ion * _KEY + self.point


@dataclass(frozen=True)
class _Groups:
    """Isotopologues that may share maxima: ion, place of the first, number, and the points to look at."""

    ion: Integers
    first: Integers
    count: Integers
    low: Integers
    high: Integers

    def take(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_] | slice) -> _Groups:
        return _Groups(self.ion[rows], self.first[rows], self.count[rows], self.low[rows], self.high[rows])


def find_maxima(patterns: Isotopologues, sigma: Floats, peaks: int) -> Maxima:
    """Find the strongest centroids of patterns that have two isotopologues or more.

    Parameters
    ----------
    patterns
        The isotopologues.
    sigma
        Width (standard deviation, Da) of a peak at each isotopologue's m/z.
    peaks
        How many centroids of an ion are wanted.

    """
    if not len(patterns.count):
        return Maxima(np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0, np.int64))
    grid = _lay_grid(patterns, sigma)
    groups = _group(patterns, sigma, peaks, grid)
    groups = groups.take(np.argsort(-groups.count, kind="stable"))
    found = [_maxima(patterns, grid, chunk) for chunk in _chunks(groups)]
    ion, mz, height = (np.concatenate(parts) for parts in zip(*found, strict=True))
    odd = np.unique(grid.ion[_ties(grid) | (grid.point > _MAX_POINTS)])
    good = ~np.isin(ion, odd)
    return Maxima(ion[good], mz[good], height[good], odd)


def _lay_grid(patterns: Isotopologues, sigma: Floats) -> _Grid:
    """Lay the grid of each ion: a stretch begins where the walk comes to another isotopologue.

    It comes to the next one when it is beyond the reach of the last one and within that of the next.
    """
    order = np.argsort(-patterns.count, kind="stable")
    first, count = patterns.first[order], patterns.count[order]
    walk = _Walk(sigma)
    x = (patterns.mz[first] - _REACH * sigma[first]) + _HALF_WINDOW * walk.nominal[first]
    g = np.full(len(order), 2 * _HALF_WINDOW)
    for number in range(int(count[0])):
        here = first[: np.searchsorted(-count, -number, side="left")] + number
        walk.begin(here, x[: len(here)], g[: len(here)])
        last = here[np.searchsorted(-count, -(number + 1), side="left") :]
        walk.cross(last, patterns.mz[last] + _MARGIN * walk.nominal[last])
        going = here[: len(here) - len(last)]
        reach = _REACH * sigma[going]
        end = np.maximum(np.nextafter(patterns.mz[going] + reach, np.inf), patterns.mz[going + 1] - reach)
        x, g = walk.advance(going, end)
    return walk.grid(np.repeat(np.arange(len(patterns.count)), patterns.count))


class _Walk:
    """The walk over the grids of all ions at once: the stretches begun so far, by their isotopologues.

    `nominal` [isotopologues] is the step that would be taken if m/z were not rounded.
    """

    def __init__(self, sigma: Floats) -> None:
        self.nominal = sigma * FWHM_PER_SIGMA / POINTS_PER_FWHM
        self._sigma = sigma
        self._start, self._step = np.empty((2, len(sigma)))
        self._point = np.empty(len(sigma), np.int64)
        self._crossings = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]

    def begin(self, here: Integers, x: Floats, point: Integers) -> None:
        """Begin the stretches of some isotopologues at m/z `x`, which is the grid's `point`."""
        self._start[here], self._point[here] = x, point
        self._step[here] = (x + self.nominal[here]) - x

    def advance(self, here: Integers, end: Floats) -> tuple[Floats, Integers]:
        """Return the first point of each stretch that lies at `end` or beyond, at least one step from its start."""
        start, step = self._start[here], self._step[here]
        steps = _steps_to(start, step, end)
        x, g = start + steps * step, self._point[here] + steps.astype(np.int64)
        which, at, begin = self.cross(here, x)
        if len(which):
            stride = (begin + self.nominal[here[which]]) - begin
            more = np.where(begin >= end[which], 0.0, _steps_to(begin, stride, end[which]))
            x[which], g[which] = begin + more * stride, at + more.astype(np.int64)
        return x, g

    def cross(self, here: Integers, end: Floats) -> tuple[npt.NDArray[np.intp], Integers, Floats]:
        """Note which stretches cross a power of two before `end`: which of `here`, the first point beyond, its m/z."""
        power = np.ldexp(1.0, np.frexp(self._start[here])[1])
        which = np.flatnonzero(end >= power)
        across = here[which]
        below = _steps_to(self._start[across], self._step[across], power[which]) - 1.0
        begin = (self._start[across] + below * self._step[across]) + self.nominal[across]
        at = self._point[across] + below.astype(np.int64) + 1
        if len(which):
            self._crossings.append((across, at, begin))
        return which, at, begin

    def grid(self, ion: Integers) -> _Grid:
        """Return all stretches, those that begin at powers of two behind those that they are the rest of."""
        across, at, begin = (np.concatenate(parts) for parts in zip(*self._crossings, strict=True))
        order = np.argsort(across, kind="stable")
        across, at, begin = across[order], at[order], begin[order]
        place = across + 1
        return _Grid(
            ion=np.insert(ion, place, ion[across]),
            point=np.insert(self._point, place, at),
            start=np.insert(self._start, place, begin),
            step=np.insert(self._step, place, (begin + self.nominal[across]) - begin),
            sigma=np.insert(self._sigma, place, self._sigma[across]),
            nominal_step=np.insert(self.nominal, place, self.nominal[across]),
        )


def _steps_to(x: Floats, step: Floats, end: Floats) -> Floats:
    """Return how many steps lead from x to `end` or beyond, at least 1."""
    steps = np.maximum(np.ceil((end - x) / step), 1.0)
    steps += x + steps * step < end
    return steps


def _ties(grid: _Grid) -> npt.NDArray[np.bool_]:
    """Tell the stretches whose step lies halfway between two multiples of the last place: their steps alternate."""
    halfway: npt.NDArray[np.bool_] = 2.0 * np.abs(grid.nominal_step - grid.step) == np.spacing(grid.start)
    return halfway


def _group(patterns: Isotopologues, sigma: Floats, peaks: int, grid: _Grid) -> _Groups:
    """Group isotopologues that are not apart; leave out groups that are too weak for one of the strongest centroids."""
    ion = np.repeat(np.arange(len(patterns.count)), patterns.count)
    begins = np.ones(len(ion), bool)
    begins[1:] = (ion[1:] != ion[:-1]) | (np.diff(patterns.mz) > _APART * sigma[1:])
    first = np.flatnonzero(begins)
    count = np.diff(np.append(first, len(ion)))
    strongest, together = np.maximum.reduceat(patterns.abundance, first), np.add.reduceat(patterns.abundance, first)
    owner = ion[first]
    enough = together >= _GRID_LOSS * _nth_greatest(strongest, owner, peaks)
    first, count, owner = first[enough], count[enough], owner[enough]
    low, high = (_point_at(grid, owner, patterns.mz[place]) for place in (first, first + count - 1))
    return _Groups(owner, first, count, low - _MARGIN, high + _MARGIN)


def _nth_greatest(values: Floats, owner: Integers, number: int) -> Floats:
    """Return for each value the `number`-th greatest of its owner, 0 where there are fewer; owners ascend."""
    ranked = values[np.lexsort((-values, owner))]
    begin = np.flatnonzero(np.append(True, np.diff(owner) > 0))
    count = np.diff(np.append(begin, len(owner)))
    nth = np.where(count >= number, ranked[np.minimum(begin + number - 1, len(owner) - 1)], 0.0)
    return np.repeat(nth, count)


def _point_at(grid: _Grid, ion: Integers, mz: Floats) -> Integers:
    """Return the number of the grid's point nearest to an m/z, give or take one."""
    span = 2.0 * (float(np.max(grid.start)) + 1.0)
    stretch = np.searchsorted(grid.ion * span + grid.start, ion * span + mz, side="right") - 1
    return grid.point[stretch] + np.rint((mz - grid.start[stretch]) / grid.step[stretch]).astype(np.int64)


def _chunks(groups: _Groups) -> Iterator[_Groups]:
    """Divide groups into pieces whose points stay in the processor's cache."""
    points = np.cumsum(groups.high - groups.low + 1)
    begin = 0
    while begin < len(points):
        done = points[begin - 1] if begin else 0
        stop = max(begin + 1, int(np.searchsorted(points, done + _CHUNK, side="right")))
        yield groups.take(slice(begin, stop))
        begin = stop


def _maxima(patterns: Isotopologues, grid: _Grid, groups: _Groups) -> tuple[Integers, Floats, Floats]:
    """Return ion, m/z and height of the local maxima in some groups, which come with falling numbers of peaks."""
    lengths = groups.high - groups.low + 1
    mz, sigma = _points(grid, groups)
    height = _profile(patterns, groups, lengths, mz, sigma)
    place = np.arange(len(mz)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    inner = (place >= _HALF_WINDOW) & (place < np.repeat(lengths, lengths) - _HALF_WINDOW)
    inner[1:-1] &= (height[:-2] < height[1:-1]) & (height[1:-1] >= height[2:]) & (height[1:-1] >= MIN_ABUNDANCE)
    top = np.flatnonzero(inner)
    return np.repeat(groups.ion, lengths)[top], _centroid(mz, height, top), height[top]


def _points(grid: _Grid, groups: _Groups) -> tuple[Floats, Floats]:
    """Return m/z and peak width at all points of some groups, group by group."""
    key = grid.key
    begin = np.searchsorted(key, groups.ion * _KEY + groups.low, side="right") - 1
    stop = np.searchsorted(key, groups.ion * _KEY + groups.high, side="right")
    pieces = stop - begin
    group = np.repeat(np.arange(len(pieces)), pieces)
    stretch = np.arange(len(group)) - np.repeat(np.cumsum(pieces) - pieces, pieces) + np.repeat(begin, pieces)
    low = np.maximum(groups.low[group], grid.point[stretch])
    ends = np.append(grid.point[stretch[1:]], 0)
    ends = np.where(np.append(group[1:] == group[:-1], False), ends, groups.high[group] + 1)
    lengths = ends - low
    offset = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    steps = offset + np.repeat(low - grid.point[stretch], lengths)
    mz = np.repeat(grid.start[stretch], lengths) + steps * np.repeat(grid.step[stretch], lengths)
    return mz, np.repeat(grid.sigma[stretch], lengths)


def _profile(patterns: Isotopologues, groups: _Groups, lengths: Integers, mz: Floats, sigma: Floats) -> Floats:
    """Sum the Gaussians of each group's isotopologues at its points, in order of their m/z."""
    height = np.zeros(len(mz))
    ends = np.cumsum(lengths)
    for number in range(int(groups.count[0])):
        some = int(np.searchsorted(-groups.count, -number, side="left"))
        stop, peak = int(ends[some - 1]), groups.first[:some] + number
        distance = np.repeat(patterns.mz[peak], lengths[:some])
        distance -= mz[:stop]
        distance /= sigma[:stop]
        distance *= distance
        distance *= -0.5
        gaussian = _exp(distance)
        gaussian *= np.repeat(patterns.abundance[peak], lengths[:some])
        height[:stop] += gaussian
    return height


def _exp(x: Floats) -> Floats:
    """Return the exponential of x ≤ 0 as cpyMSpec takes it from a table: within 1e-8, and 0 below -18."""
    place = np.floor((x - _EXP_FROM) / _EXP_STEP)
    beyond = place < 0.0
    place[beyond] = 0.0
    rest = x - (place * _EXP_STEP + _EXP_FROM)
    result = 0.5 * rest
    result += 1.0
    result *= rest
    result += 1.0
    result *= _TABLE[place.astype(np.intp)]
    result[beyond] = 0.0
    return result


def _table() -> Floats:
    values, x = [], _EXP_FROM
    while x <= 0.0:
        values.append(math.exp(x))
        x += _EXP_STEP
    return np.array(values)


_TABLE = _table()


def _centroid(mz: Floats, height: Floats, top: npt.NDArray[np.intp]) -> Floats:
    """Return the mean m/z around maxima, weighted by height: left while it falls, right until before it rises again."""
    left, right = np.zeros(len(top), np.int64), np.zeros(len(top), np.int64)
    falls, goes_on = np.ones(len(top), bool), np.ones(len(top), bool)
    for distance in range(1, _HALF_WINDOW + 1):
        falls &= height[top - distance] < height[top - distance + 1]
        left[falls] = distance
        if distance < _HALF_WINDOW:
            goes_on &= height[top + distance + 1] <= height[top + distance]
        right[goes_on] = distance
    weighted, total = np.zeros(len(top)), np.zeros(len(top))
    for offset in range(-_HALF_WINDOW, _HALF_WINDOW + 1):
        weight = np.where((offset >= -left) & (offset <= right), height[top + offset], 0.0)
        weighted += mz[top + offset] * weight
        total += weight
    mean: Floats = weighted / total
    return mean
