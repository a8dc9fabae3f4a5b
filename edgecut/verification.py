"""An artifact against its network, and a cut network against the full one, on real samples.

Outputs are judged in groups: where a category map is given, every shared slot (a box coordinate,
the objectness) alone and all category slots together, so that large boxes cannot hide wrong
scores. An output without a map is one group. Anything that cannot be compared (a missing output,
another shape or type, NaN) is a fault, and a fault never passes.

float32: ``max-relative-error`` = max |reference - candidate| / max |reference| over all samples and
the whole output; within each group it may be ten times that, and no more.

float16, int8: ``sqnr-db`` = 10 log10(variance of the reference / mean square of the error). The
variance is taken about the group's mean, so that zeros, constants and shuffles come out at 0 dB
or less whatever offset the output has. Where there is a map, only the positions count at which
either side has something to say: the loudest category reaches the middle of the reference's range.
Two more checks find what a sum can hide: the gain (ratio of standard deviations), and the order
of the categories (correlation of every slot with every other).

An output whose values are categories is judged by ``agreement``: the share of its values that are
the reference's. Only those count whose choice is clear, which the reference tells by a margin
beside that output (see ``edgecut.coded``): how far the chosen score is from the next one, over the
largest. None may differ in float32, a few in float16, more in int8; and no value that is met often
enough to tell may be lost, however rare it is. ``doubts`` tells where that rests on little.

This finds wrong builds, not poor ones: right int8 builds of noise-sensitive detectors reach 2 dB
only. How good a build is, only accuracy on labelled samples can say. Without a category map, an
int8 build with swapped categories or shifted pixels can pass; the float32 build is the safeguard.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecut.agreement import AGREEMENT, Choices, Group, Named, Order
from edgecut.categories import CategoryMap, OutputSlots
from edgecut.errors import EdgecutError

Arrays = Mapping[str, NDArray[Any]]
Run = Callable[[Arrays], Arrays]
Samples = Iterable[tuple[str, Arrays]]
Selection = Mapping[str, tuple[int, Sequence[int]]]
Margins = Mapping[str, str]

RELATIVE, SQNR, AGREES = "max-relative-error", "sqnr-db", "agreement"

CUT_TOLERANCE = 1e-5
# Two right float32 runs of YOLOX-nano lie 1.2e-4 apart, as each is up to 9e-5 from float64
# (benchmarks/drift.py). Right builds of YOLOX-nano and FastestDet reach, at worst: float16 33 dB,
# int8 2.1 dB and gain 0.65 (OpenVINO). Rejected were: shifted slots, swapped or shifted categories,
# x for y, shifted pixels, zeros, means, gains 1.5 and 0.45.
TOLERANCES = {"float32": 2e-4, "float16": 25.0, "int8": 1.0}
# Of a float32 build, relative to the largest value of one group of slots.
GROUP_TOLERANCE = 1e-3
# A margin of coded outputs up to this is no clear choice: twice what a score may be off by.
CLEAR = {"float32": 2 * TOLERANCES["float32"], "float16": 0.01, "int8": 0.05}
# Where fewer of the choices of an output are clear, its values were hardly compared.
FEW_CLEAR = 0.5
# Noise flattens an int8 build, so it may lose gain, but never win as much.
_GAINS = {"float16": (0.9, 1.1), "int8": (0.5, 1.25)}

# Above this many slots their table of correlations would not fit in memory.
_MOST_SLOTS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The outcome: ``worst`` is the metric's value in the worst group, named by ``where``.

    Where there are other outputs beside coded ones, the metric is that of the others; coded ones
    that do not agree are faults.

    ``choices`` tells of each coded output how many choices were compared.

    ``max_abs_error`` is the largest absolute difference among the values judged. ``faults`` lists
    what is wrong regardless of the metric: a missing output, another shape or type, NaN, a
    misplaced category. ``passed`` is then false, and ``worst`` infinitely bad, unless an agreement.
    """

    metric: str
    worst: float
    max_abs_error: float
    tolerance: float
    passed: bool
    samples: int
    where: str
    faults: tuple[str, ...] = ()
    choices: tuple[Choices, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values; an infinite number becomes None, as JSON has no infinity."""
        choices = [asdict(one) for one in self.choices]
        values = {**asdict(self), "faults": list(self.faults), "choices": choices}
        return {k: None if v in (math.inf, -math.inf) else v for k, v in values.items()}


def doubts(checks: Iterable[Verification]) -> dict[str, list[str]]:
    """Of each coded output, why checks that passed may have told little of it."""
    found: dict[str, list[Choices]] = {}
    for one in (one for check in checks for one in check.choices):
        found.setdefault(one.output, []).append(one)
    told: dict[str, list[str]] = {}
    for output, choices in found.items():
        least = min(choices, key=lambda one: one.clear / one.total)
        if least.clear < FEW_CLEAR * least.total:
            text = f"only {least.clear} of {least.total} choices were clear enough to compare"
            told.setdefault(output, []).append(text)
        if any(one.values == 1 for one in choices):
            text = "all that was compared has one value, and so has a build that knows no other"
            told.setdefault(output, []).append(text)
    return told


def compare(
    reference: Arrays,
    candidate: Arrays,
    *,
    scheme: str = "float32",
    categories: CategoryMap | None = None,
    margins: Margins | None = None,
) -> Verification:
    """The candidate's outputs against the reference's, for one sample."""
    judge = _judge(scheme, categories, margins)
    judge.add("", reference, candidate)
    return judge.verdict()


def verify_artifact(
    reference: Run,
    artifact: Run,
    samples: Samples,
    scheme: str,
    *,
    categories: CategoryMap | None = None,
    margins: Margins | None = None,
    neutral: Arrays | None = None,
) -> Verification:
    """The artifact against the network it was made from, sample by sample.

    What int8 lets pass hides an input that does nothing. With ``neutral``, an int8 artifact must
    also show, within the same tolerance, how other values of these inputs change its outputs.

    Args:
        reference: runs the network: inputs by name to outputs by name.
        artifact: runs the artifact, in the network's layout.
        samples: (name, inputs) pairs; each is run once on both.
        scheme: ``float32``, ``float16`` or ``int8``, which sets metric and tolerance.
        categories: the network's category map, for a judgement slot by slot.
        margins: coded output to the output of the reference that tells how clear its choices are.
        neutral: values of some inputs, by name.

    Raises:
        EdgecutError: ``no-samples``, or what the runs raise.
    """
    judge, changes = _judge(scheme, categories, margins), _judge(scheme, categories, None)
    coded = {*(margins or {}), *(margins or {}).values()}
    for name, inputs in samples:
        expected, given = reference(inputs), artifact(inputs)
        judge.add(name, expected, given)
        plain = {**inputs, **(neutral or {})}
        if scheme == "int8" and not judge.faults and _differ(inputs, plain):
            # How clear a choice is tells of no difference between choices.
            before, after = reference(plain), artifact(plain)
            pairs = (_change(expected, before, coded), _change(given, after, coded))
            if pairs[0]:
                changes.add(name, *pairs)
    verdict = judge.verdict()
    if not verdict.passed or not changes.samples:
        return verdict
    change = changes.verdict()
    told = f"what {', '.join(neutral or {})} changes in {change.where}"
    return verdict if change.passed else replace(change, where=told, samples=judge.samples)


def verify_cut(
    full: Run,
    cut: Run,
    selection: Selection,
    samples: Samples,
    *,
    margins: Margins | None = None,
    inputs: Selection | None = None,
) -> Verification:
    """The cut network against the full one with its kept slots selected.

    Args:
        full: runs the full network.
        cut: runs the cut network on the same inputs.
        selection: output name to (axis, kept indices); other outputs are compared whole.
        samples: (name, inputs of the full network) pairs.
        margins: coded output to the full network's output that tells how clear its choices are.
        inputs: input name to (axis, kept indices), where the cut network takes a part only.

    Raises:
        EdgecutError: ``no-samples``, ``bad-selection``, or what the runs raise.
    """
    judge = _Judge(
        scheme="float32",
        tolerance=CUT_TOLERANCE,
        categories=None,
        margins=margins or {},
        clear=2 * CUT_TOLERANCE,
    )
    for name, given in samples:
        kept = selected(full(given), selection)
        judge.add(name, kept, cut(selected(given, inputs or {})))
    return judge.verdict()


def selected(tensors: Arrays, selection: Selection) -> dict[str, NDArray[Any]]:
    """Inputs or outputs with the selected indices taken along the selected axes."""
    taken = dict(tensors)
    for name, (axis, indices) in selection.items():
        try:
            taken[name] = np.take(tensors[name], np.asarray(indices, dtype=np.intp), axis=axis)
        except (KeyError, IndexError, ValueError) as error:
            raise EdgecutError(
                f"the kept slots do not fit the full network's tensor '{name}': {error}",
                code="bad-selection",
                where=name,
            ) from error
    return taken


def _differ(a: Arrays, b: Arrays) -> bool:
    return any(not np.array_equal(a[name], b[name]) for name in a)


def _change(outputs: Arrays, before: Arrays, but: Collection[str]) -> dict[str, NDArray[Any]]:
    return {name: value - before[name] for name, value in outputs.items() if name not in but}


def _judge(scheme: str, categories: CategoryMap | None, margins: Margins | None) -> _Judge:
    if scheme not in TOLERANCES:
        raise EdgecutError(f"'{scheme}' is not a scheme", code="unknown-scheme")
    return _Judge(
        scheme=scheme,
        tolerance=TOLERANCES[scheme],
        categories=categories,
        margins=margins or {},
        clear=CLEAR[scheme],
    )


@dataclass(slots=True)
class _Judge:
    """Compares sample after sample and keeps only sums, never the outputs."""

    scheme: str
    tolerance: float
    categories: CategoryMap | None
    margins: Margins
    clear: float
    samples: int = 0
    wholes: dict[str, Group] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    named: dict[str, Named] = field(default_factory=dict)
    faults: dict[str, None] = field(default_factory=dict)

    def add(self, sample: str, reference: Arrays, candidate: Arrays) -> None:
        self.samples += 1
        at = f" (sample {sample})" if sample else ""
        for name in sorted(candidate.keys() - reference.keys()):
            self.faults[f"there is an output '{name}' too many"] = None
        coded = {entry.output for entry in self.categories.coded} if self.categories else set()
        for name, expected in reference.items():
            if name in self.margins.values():
                continue
            fault = _fault(name, expected, candidate.get(name))
            if fault:
                self.faults[fault + at] = None
            elif name in self.margins or name in coded:
                margin = reference.get(self.margins.get(name, ""))
                self._add_named(sample, name, expected, candidate[name], margin)
            else:
                self._add_output(sample, name, expected, candidate[name])

    def _add_output(
        self, sample: str, name: str, expected: NDArray[Any], given: NDArray[Any]
    ) -> None:
        reference, candidate = expected.astype(np.float64), given.astype(np.float64)
        entries = (
            [e for e in self.categories.outputs if e.output == name] if self.categories else []
        )
        whole = f"output '{name}'"
        self.wholes.setdefault(whole, Group(whole)).add(sample, reference, candidate)
        if not entries and self.scheme != "float32":
            self._group(whole).add(sample, reference, candidate)
        for entry in entries:
            _check_fit(entry, reference.shape)
            rows = _rows(reference, entry.axis), _rows(candidate, entry.axis)
            self._add_slots(sample, entry, *rows)

    def _add_named(
        self,
        sample: str,
        name: str,
        expected: NDArray[Any],
        given: NDArray[Any],
        margin: NDArray[Any] | None,
    ) -> None:
        # NaN, where all scores are zero, is no clear choice either.
        clear = np.ones(expected.shape, np.bool_) if margin is None else margin > self.clear
        named = self.named.setdefault(name, Named(f"output '{name}'"))
        named.add(sample, expected, given, clear)

    def _add_slots(
        self, sample: str, entry: OutputSlots, reference: NDArray[Any], candidate: NDArray[Any]
    ) -> None:
        """Arrays are (slots, positions)."""
        owned = [i for i, owner in enumerate(entry.slots) if owner is not None]
        if owned and self.scheme != "float32":
            heard = _heard(reference[owned], candidate[owned])
            reference, candidate = reference[:, heard], candidate[:, heard]
        where = f"output '{entry.output}', axis {entry.axis}, "
        for slot in entry.shared:
            self._group(f"{where}slot {slot}").add(sample, reference[slot], candidate[slot])
        if owned:
            own = reference[owned], candidate[owned]
            self._group(f"{where}categories").add(sample, *own)
            if self.scheme != "float32" and len(owned) <= _MOST_SLOTS:
                order = self.orders.setdefault(f"{where}categories", Order.of(len(owned)))
                order.add(*own)

    def _group(self, label: str) -> Group:
        return self.groups.setdefault(label, Group(label))

    def verdict(self) -> Verification:
        """The verdict over all samples.

        Raises:
            EdgecutError: ``no-samples`` where nothing was compared.
        """
        if not self.samples or not (self.wholes or self.named or self.faults):
            raise EdgecutError(
                "nothing was compared, so nothing is verified",
                code="no-samples",
                hint="give at least one sample to a network with at least one output",
            )
        exact = self.scheme == "float32"
        gaps = [group.gap for group in self.wholes.values()]
        gaps += [named.gap for named in self.named.values()]
        found = self._apart() if exact else (*self._gains(), *self._misplaced())
        named = (fault for one in self.named.values() for fault in one.faults(self.scheme))
        faults = (*self.faults, *found, *named)
        metric, worst, tolerance, where = self._worst(exact)
        high = metric == RELATIVE
        if faults:
            where = faults[0]
            worst = worst if metric == AGREES else math.inf if high else -math.inf
        within = worst <= tolerance if high else worst >= tolerance
        return Verification(
            metric=metric,
            worst=worst,
            max_abs_error=math.inf if self.faults else max(gaps),
            tolerance=tolerance,
            passed=within and not faults,
            samples=self.samples,
            where=where,
            faults=faults,
            choices=tuple(
                Choices(output=name, total=one.total, clear=one.count, values=len(one.values))
                for name, one in self.named.items()
            ),
        )

    def _worst(self, exact: bool) -> tuple[str, float, float, str]:
        """The metric, its worst value, the tolerance, and where that is."""
        if not self.wholes and self.named:
            least = min(self.named.values(), key=Named.share)
            where = f"{_where(least)} ({least.count / least.total:.0%} of its choices are clear)"
            return AGREES, least.share(), AGREEMENT[self.scheme], where
        metric = RELATIVE if exact else SQNR
        values = (
            [(group.relative_error(), group) for group in self.wholes.values()]
            if exact
            else [(group.sqnr_db(), group) for group in self.groups.values()]
        )
        if not values:
            return metric, math.nan, self.tolerance, ""
        worst, group = (max if exact else min)(values, key=lambda pair: pair[0])
        return metric, worst, self.tolerance, _where(group)

    def _apart(self) -> Iterator[str]:
        for group in self.groups.values():
            error = group.relative_error()
            if error > GROUP_TOLERANCE:
                yield f"{group.name}: off by {error:.1e} of its own largest value"

    def _gains(self) -> Iterator[str]:
        low, high = _GAINS[self.scheme]
        for group in self.groups.values():
            gain = group.gain()
            if not low <= gain <= high:
                yield f"{group.name}: its values spread {gain:.3g} times as far as they should"

    def _misplaced(self) -> Iterator[str]:
        for label, order in self.orders.items():
            for slot, other in order.misplaced():
                yield f"{label}: number {slot} holds the values of number {other}"


def _where(group: Group | Named) -> str:
    return group.name + (f", sample {group.worst_sample}" if group.worst_sample else "")


def _check_fit(entry: OutputSlots, shape: tuple[int, ...]) -> None:
    axis, slots = entry.axis, len(entry.slots)
    if not -len(shape) <= axis < len(shape) or shape[axis] != slots:
        raise EdgecutError(
            f"the category map gives output '{entry.output}' {slots} slots on axis {axis}, "
            f"but its shape is {shape}",
            code="bad-category-map",
            where=entry.output,
        )


def _rows(array: NDArray[Any], axis: int) -> NDArray[Any]:
    """The array as (slots, positions)."""
    return np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)


def _heard(reference: NDArray[Any], candidate: NDArray[Any]) -> NDArray[np.bool_]:
    """The positions at which a category of either side is loud; arrays are (slots, positions)."""
    loudest = reference.max(axis=0)
    middle = (loudest.min() + loudest.max()) / 2
    heard: NDArray[np.bool_] = (loudest >= middle) | (candidate.max(axis=0) >= middle)
    return heard


def _fault(name: str, expected: NDArray[Any], given: NDArray[Any] | None) -> str:
    """Why the two cannot be compared, or nothing."""
    if given is None:
        return f"the output '{name}' is missing"
    if expected.shape != given.shape:
        return f"the output '{name}' has the shape {given.shape}, not {expected.shape}"
    if expected.dtype != given.dtype:
        return f"the output '{name}' has the type {given.dtype}, not {expected.dtype}"
    if not np.isfinite(expected).all():
        return f"the reference's output '{name}' holds NaN or infinity"
    if not np.isfinite(given).all():
        return f"the output '{name}' holds NaN or infinity"
    return ""
