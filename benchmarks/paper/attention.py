"""Top-down attention: what a gain does to the target's recall and to overall accuracy.

Enhancing and inhibiting gains, entering at several places (``signals``), for leaves and for
parents as targets. Every image gets the leaf of its highest score; a target's *recall* is the
share of its images that get a leaf of it. The control enhances another target than the one whose
recall is told. Changes are against the plain network, on the same images.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchmarks.paper import bootstrap, measures, networks, signals
from benchmarks.paper.cases import SEED, shown
from benchmarks.paper.data import images_of
from benchmarks.paper.signals import BATCH, OURS, SIGNALS
from benchmarks.paper.study import NESTED, Subject
from edgecut.nested.folder import load_network
from edgecut.nested.images import ImageSet
from edgecut.nested.topology import NestedNet
from edgecut.nested.training import to_input
from edgecut.opened import running
from edgecut.progress import Tell
from edgecut.source import Source, load
from edgecut.taxonomy import Taxonomy

INHIBITING = (0.0, 0.25, 0.5, 0.75)
ENHANCING = (1.25, 1.5, 2.0, 3.0, 4.0)
GAINS = (*INHIBITING, *ENHANCING)
TARGETS = {"leaf": 30, "parent": 8}
IMAGES = 4000
FEWEST = 5
CHECKS = ("neutral_error", "onnx_error", "signal_error")
TOLERATED = 0.01
"""By as much may overall accuracy fall, on val, under the gain that is chosen there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """The leaf that every image gets, as a node.

    ``plain`` (images,) without a signal; ``under`` by (signal, gain), (targets, images).
    """

    plain: np.ndarray
    under: Mapping[tuple[str, float], np.ndarray]


def study(subject: Subject, tell: Tell) -> dict[str, Any]:
    """``rows``: signal, kind of target, gain, and changes on test; ``best``: chosen on val."""
    network = load_network(subject.folder(NESTED))
    assert isinstance(network, NestedNet)
    data = images_of(subject)
    val, test = (data.splits[name].sampled(IMAGES) for name in ("val", "test"))
    targets = {
        kind: targets_of(subject.taxonomy, kind, count, (val.labels, test.labels))
        for kind, count in TARGETS.items()
    }
    told = {"base": subject.base, "data": subject.data}
    rows, best = [], []
    for kind, nodes in targets.items():
        if not nodes:
            continue
        on_val, on_test = (
            list(effects(subject.taxonomy, calls(network, own, nodes, tell), own, nodes))
            for own in (val, test)
        )
        rows += [{**told, "kind": kind, "targets": len(nodes), **row} for row in on_test]
        best += [
            {**told, "kind": kind, **next(row for row in on_test if same_signal(row, chosen))}
            for chosen in (best_gain(on_val, signal) for signal in SIGNALS)
        ]
    return {"rows": rows, "best": best, **checks(subject, network, test)}


def targets_of(
    taxonomy: Taxonomy, kind: str, count: int, labels: Sequence[np.ndarray]
) -> tuple[int, ...]:
    """Nodes of a kind, drawn at random among those that enough images of every split show."""
    leaves = set(taxonomy.leaves)
    fit = [
        node
        for node in range(len(taxonomy.names))
        if (node in leaves) == (kind == "leaf")
        and all(np.isin(own, [node, *taxonomy.under(node)]).sum() >= FEWEST for own in labels)
    ]
    picks = np.random.default_rng(SEED).permutation(len(fit))[:count]
    return tuple(fit[i] for i in sorted(picks.tolist()))


@torch.inference_mode()
def calls(network: NestedNet, images: ImageSet, targets: Sequence[int], tell: Tell) -> Calls:
    """What every image gets, plain and under every signal, gain and target."""
    leaves = np.array(network.taxonomy.leaves)
    plain = np.empty(len(images), np.int16)
    found = {
        (signal, gain): np.empty((len(targets), len(images)), np.int16)
        for signal in SIGNALS
        for gain in GAINS
    }
    for start in range(0, len(images), BATCH):
        tell("signals", start, len(images))
        part = slice(start, start + BATCH)
        run = signals.plain(network, to_input(images.images[part], torch.device("cpu")))
        plain[part] = leaves[run.scores[:, leaves].argmax(1)]
        for (signal, gain), got in found.items():
            for place, target in enumerate(targets):
                scores = signals.under(network, run, SIGNALS[signal], target, gain)
                got[place, part] = leaves[scores[:, leaves].argmax(1)]
    return Calls(plain=plain, under=found)


def effects(
    taxonomy: Taxonomy, found: Calls, images: ImageSet, targets: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """For each signal and gain: changes of recall, of overall accuracy, and of the control."""
    leaf_labelled = np.isin(images.labels, taxonomy.leaves)
    names = [taxonomy.names[target] for target in targets]
    members = [shown(taxonomy, images.labels, [name]) == 0 for name in names]
    of = [np.array([target, *taxonomy.under(target)]) for target in targets]
    others = unrelated(taxonomy, targets)
    labels = images.labels[leaf_labelled]
    right = (found.plain[leaf_labelled] == labels).astype(float)
    before = [np.isin(found.plain[m], o).astype(float) for m, o in zip(members, of, strict=True)]
    for (signal, gain), got in found.under.items():
        after = [np.isin(got[i, members[i]], of[i]) for i in range(len(targets))]
        control = [
            np.isin(got[other, members[i]], of[i]) - before[i]
            for i, other in enumerate(others)
            if other is not None
        ]
        changed = (got[:, leaf_labelled] == labels) - right
        yield {
            "signal": signal,
            "gain": gain,
            "recall_plain": float(np.mean([one.mean() for one in before])),
            "recall_change": bootstrap.by_target(
                [a - b for a, b in zip(after, before, strict=True)]
            ).to_json(),
            "accuracy_plain": float(right.mean()),
            "accuracy_change": bootstrap.crossed(changed).to_json(),
            "control_change": bootstrap.by_target(control).to_json() if control else None,
        }


def unrelated(taxonomy: Taxonomy, targets: Sequence[int]) -> list[int | None]:
    """For each target the place of another one, drawn at random, that is not on its path."""
    random = np.random.default_rng(SEED)
    found: list[int | None] = []
    for target in targets:
        near = {*taxonomy.path(target), *taxonomy.under(target)}
        far = [place for place, other in enumerate(targets) if other not in near]
        found.append(int(random.choice(far)) if far else None)
    return found


def best_gain(rows: Sequence[Mapping[str, Any]], signal: str) -> Mapping[str, Any]:
    """The row of the enhancing gain that raises recall most, of those that cost little accuracy."""
    own = [row for row in rows if row["signal"] == signal and row["gain"] in ENHANCING]
    cheap = [row for row in own if row["accuracy_change"]["mean"] >= -TOLERATED]
    return max(cheap or own, key=lambda row: row["recall_change"]["mean"])


def same_signal(row: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two rows are of one signal and gain."""
    return (row["signal"], row["gain"]) == (other["signal"], other["gain"])


def checks(subject: Subject, network: NestedNet, images: ImageSet) -> dict[str, float]:
    """Relative errors, of what ONNX and the device get of the signal.

    ``neutral_error``: neutral gains against no gains, in ONNX; ``onnx_error``: any gains, ONNX
    against torch; ``signal_error``: the network's own gains against the signal that is judged as
    ours, in torch.
    """
    folder = str(subject.folder(NESTED))
    bare, gained = (load(Source(model=folder, attention=told)) for told in (False, True))
    assert gained.attention is not None
    attention, image, (output,) = gained.attention, gained.image.name, gained.outputs
    from_neutral, from_torch = [], []
    with running(bare, threads=1) as without, running(gained, threads=1) as runtime:
        for place, tensor in enumerate(networks.tensors(networks.spread(images, 16).images)):
            feeds = {image: tensor[None]}
            plain, neutral, varied = (
                one[output.name]
                for one in (
                    without.run(feeds),
                    runtime.run({**feeds, attention.input: attention.neutral_gains()}),
                    runtime.run({**feeds, attention.input: attention.varied(place)}),
                )
            )
            expected = _under_gains(network, tensor, attention.varied(place))
            from_neutral.append(measures.relative_error(plain, neutral))
            from_torch.append(measures.relative_error(expected, varied))
    return {
        "neutral_error": max(from_neutral),
        "onnx_error": max(from_torch),
        "signal_error": _signal_error(network, tensor),
    }


@torch.inference_mode()
def _signal_error(network: NestedNet, tensor: np.ndarray) -> float:
    """The largest over all nodes as targets, on one image."""
    image, nodes = torch.from_numpy(tensor[None]), len(network.branches)
    run = signals.plain(network, image)
    found = []
    for target in range(nodes):
        gains = torch.ones(1, nodes)
        gains[0, target] = ENHANCING[-1]
        ours = signals.under(network, run, SIGNALS[OURS], target, ENHANCING[-1])
        found.append(measures.relative_error(network(image, gains).numpy(), ours.numpy()))
    return max(found)


@torch.inference_mode()
def _under_gains(network: NestedNet, tensor: np.ndarray, gains: np.ndarray) -> np.ndarray:
    scores: np.ndarray = network(torch.from_numpy(tensor[None]), torch.from_numpy(gains)).numpy()
    return scores
