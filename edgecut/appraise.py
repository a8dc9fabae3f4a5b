"""What was gained and lost: full against cut against each artifact, in accuracy and latency."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecut import bundle
from edgecut.artifact import Artifact, Emitted
from edgecut.cost import Cost, cost
from edgecut.errors import EdgecutWarning
from edgecut.evaluation import Subject
from edgecut.evaluation import evaluate as judge
from edgecut.measure.latency import Contender, Measurement, Ratio, measure, ratio
from edgecut.network import Network
from edgecut.opened import OpenBundle, open_bundle, running
from edgecut.passes.tidy import tidy
from edgecut.produce import Tensors, produce
from edgecut.progress import Tell, nobody
from edgecut.runtimes import open_runtime
from edgecut.source import SampleSource, recipe_of


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
) -> list[dict[str, Any]]:
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

    Returns:
        Rows ``{what, category, ap, ap50}`` for detectors, ``{what, category, top1, samples}`` for
        classifiers; ``what`` is ``full``, ``cut`` or an artifact's path.

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
    return rows


def _subjects(
    opened: OpenBundle, full: Network, gains: Mapping[str, float], stack: ExitStack
) -> dict[str, Subject]:
    """Everything that is judged, running until the stack closes."""
    cut = opened.network
    subjects = {
        "full": _subject(stack.enter_context(running(full)), full, gains),
        "cut": _subject(stack.enter_context(running(cut)), cut, gains),
    }
    for artifact in _distinct(opened.artifacts):
        path = opened.folder / artifact.path
        runtime = open_runtime(path, artifact.format, artifact.inputs, artifact.outputs, threads=2)
        subjects[artifact.path] = _subject(stack.enter_context(runtime), cut, gains)
    return subjects


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One artifact's latency, full network against cut, interleaved in one run.

    ``speed_up`` is the median latency of the full network's artifact over the cut one's,
    ``macs_ratio`` what the MACs alone would promise.
    """

    artifact: str
    full: Measurement
    cut: Measurement
    full_cost: Cost
    cut_cost: Cost
    speed_up: Ratio

    @property
    def macs_ratio(self) -> float:
        """MACs of the full network over those of the cut one."""
        return self.full_cost.macs / max(self.cut_cost.macs, 1)


def bench(
    folder: Path,
    *,
    model: str | None = None,
    threads: int = 1,
    duration_s: float = 5.0,
    tell: Tell = nobody,
) -> list[Timing]:
    """Latency on this machine of every artifact, interleaved with the full network's like it.

    The full network's artifacts are made for the occasion, by the same passes, and where they are
    int8 with the same samples: what those say decides on operations, too.

    Args:
        folder: what ``build`` wrote.
        model: the full model, where it is no longer where the report says.
        threads: CPU threads of the runtimes.
        duration_s: seconds to measure each artifact for.
        tell: told of progress.

    Raises:
        EdgecutError: what ``open_bundle``, ``produce`` and ``measure`` raise.
    """
    opened = open_bundle(folder, model=model)
    full = tidy(opened.full())
    timings = []
    artifacts = _distinct(opened.artifacts)
    for done, artifact in enumerate(artifacts):
        tell(f"bench {artifact.path}", done, len(artifacts))
        with _full_like(full, artifact, opened) as whole:
            part = _contender("cut", folder / artifact.path, artifact)
            first, second = measure([whole, part], threads=threads, duration_s=duration_s)
        timings.append(
            Timing(
                artifact=artifact.path,
                full=first,
                cut=second,
                full_cost=cost(full),
                cut_cost=cost(opened.network),
                speed_up=ratio(first, second),
            )
        )
    tell("bench", len(artifacts), len(artifacts))
    return timings


def _subject(runtime: Any, network: Network, gains: Mapping[str, float]) -> Subject:
    assert network.categories is not None
    name, attention = network.image.name, network.attention
    beside = {attention.input: attention.gains(gains)} if attention else {}
    return Subject(
        run=lambda tensor: runtime.run({name: tensor, **beside}), categories=network.categories
    )


def _distinct(artifacts: Sequence[Artifact]) -> list[Artifact]:
    """One artifact for each file."""
    return list({artifact.path: artifact for artifact in artifacts}.values())


@contextmanager
def _full_like(full: Network, artifact: Artifact, opened: OpenBundle) -> Iterator[Contender]:
    """The full network as an artifact of the same target and scheme, in a temporary folder."""
    needed = opened.samples if artifact.scheme == "int8" else None
    samples = Tensors(needed.open(full)) if needed else None
    emitted = produce(full, opened.target(artifact.target), artifact.scheme, samples)
    with tempfile.TemporaryDirectory(prefix="edgecut-") as name:
        main = next(iter(emitted.files))
        for suffix, content in emitted.files.items():
            (Path(name) / f"full{suffix}").write_bytes(content)
        yield _contender("full", Path(name) / f"full{main}", emitted)


def _contender(name: str, path: Path, described: Artifact | Emitted) -> Contender:
    return Contender(
        name=name,
        path=path,
        format=described.format,
        inputs=described.inputs,
        outputs=described.outputs,
    )
