"""What was lost: the accuracy of full network, cut one, and each artifact."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecut import bundle
from edgecut.errors import EdgecutWarning
from edgecut.evaluation import Subject
from edgecut.evaluation import evaluate as judge
from edgecut.network import Network
from edgecut.opened import OpenBundle, open_bundle, running
from edgecut.progress import Tell, nobody
from edgecut.runtimes import open_runtime
from edgecut.source import SampleSource, recipe_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """What was lost, and on what that was judged.

    ``rows`` are ``{what, category, ap, ap50}`` for detectors, ``{what, category, top1, samples}``
    for classifiers; ``what`` is ``full``, ``cut`` or an artifact's path. ``judged_on`` names the
    ``samples``, their ``split`` and ``recipe`` (null: all, and the network's own), the ``limit``
    that was asked for, and how many ``images`` there were.
    """

    rows: list[dict[str, Any]]
    judged_on: dict[str, Any]


def evaluate(
    folder: Path,
    *,
    truth: str,
    recipe: str | None = None,
    split: str | None = None,
    images: str | None = None,
    limit: int | None = None,
    model: str | None = None,
    gains: Mapping[str, float] | None = None,
    tell: Tell = nobody,
) -> Accuracy:
    """Accuracy per kept category of the full network, the cut one, and every artifact.

    Args:
        folder: what ``build`` wrote.
        truth: images with the truth: a COCO json, or a folder or parquet with labels.
        recipe: their preprocessing, by default that of the build, or the network's own.
        split: the part of them to take.
        images: the folder of a COCO json's images.
        limit: at most that many.
        model: the full model, where it is no longer where the report says.
        gains: category -> gain, for all that is judged; by default, and for the others, neutral.
        tell: told of progress.

    Raises:
        EdgecutError: ``no-attention`` where there are gains and the bundle takes none, what
            ``Attention.gains``, ``open_bundle`` and ``evaluate.evaluate`` raise.

    Warns:
        EdgecutWarning: images that could not be used, and were left out.
    """
    opened = open_bundle(folder, model=model)
    full = opened.full()
    samples = SampleSource(
        path=truth,
        recipe=recipe or (opened.samples.recipe if opened.samples else None),
        split=split,
        images=images,
        limit=limit,
    )
    assert opened.network.categories is not None
    if gains and opened.network.attention is None:
        raise bundle.no_attention(folder)
    judged_on = samples.open(full)
    with ExitStack() as stack:
        rows = judge(
            _subjects(opened, full, gains or {}, stack),
            judged_on,
            keep=opened.network.categories.names,
            rules=recipe_of(full, samples.recipe).detections,
            taxonomy=full.categories.tree if full.categories else None,
            progress=lambda done, total: tell("evaluate", done, total),
        )
    for remark in judged_on.remarks:
        warnings.warn(remark, EdgecutWarning, stacklevel=2)
    return Accuracy(
        rows=rows,
        judged_on={
            "samples": Path(truth).name,
            "split": split,
            "recipe": samples.recipe,
            "limit": limit,
            "images": len(judged_on),
        },
    )


def _subjects(
    opened: OpenBundle, full: Network, gains: Mapping[str, float], stack: ExitStack
) -> dict[str, Subject]:
    """Everything that is judged, running until the stack closes."""
    cut = opened.network
    subjects = {
        "full": _subject(stack.enter_context(running(full)), full, gains),
        "cut": _subject(stack.enter_context(running(cut)), cut, gains),
    }
    for artifact in opened.distinct:
        path = opened.folder / artifact.path
        runtime = open_runtime(path, artifact.format, artifact.inputs, artifact.outputs, threads=2)
        subjects[artifact.path] = _subject(stack.enter_context(runtime), cut, gains)
    return subjects


def _subject(runtime: Any, network: Network, gains: Mapping[str, float]) -> Subject:
    assert network.categories is not None
    name, attention = network.image.name, network.attention
    beside = {attention.input: attention.gains(gains)} if attention else {}
    return Subject(
        run=lambda tensor: runtime.run({name: tensor, **beside}), categories=network.categories
    )
