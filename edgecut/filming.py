"""The camera loop of a bundle: a frame from encoded image to answer, full network against cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecut.errors import EdgecutError
from edgecut.measure.camera import Application, Loop, loops, ratio
from edgecut.measure.contender import Contender
from edgecut.measure.ratio import Ratio
from edgecut.network import Network
from edgecut.opened import OpenBundle, neutral_gains, open_bundle
from edgecut.passes.tidy import tidy
from edgecut.progress import Tell, nobody
from edgecut.source import SampleSource, recipe_of
from edgecut.timing import full_like

FRAMES = 32
MOST_BYTES = 64 << 20
"""Of all encoded images together: they lie in memory while the loop runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """What frames took around one artifact, with the full network and with the cut one, in turn."""

    artifact: str
    threads: int
    full: Loop
    cut: Loop
    speed_up: Ratio


def film(
    folder: Path,
    *,
    frames: str,
    recipe: str | None = None,
    model: str | None = None,
    threads: Sequence[int] = (1,),
    duration_s: float = 5.0,
    pin: Sequence[int] | None = None,
    tell: Tell = nobody,
) -> list[Film]:
    """What an application around each artifact of a bundle takes for a frame.

    Args:
        folder: what ``build`` wrote.
        frames: images: a folder, a ``.parquet`` file or a COCO ``.json`` file; 32 of them at most.
        recipe: their preprocessing, by default that of the build, or the network's own.
        model: the full model, where it is no longer where the report says.
        threads: CPU threads of the runtimes: one run for each number.
        duration_s: seconds to run each application for.
        pin: the only cores that may be used.
        tell: told of progress.

    Raises:
        EdgecutError: what ``open_bundle``, ``open_samples``, ``produce`` and ``loops`` raise.
    """
    opened = open_bundle(folder, model=model)
    full = opened.full()
    source = SampleSource(
        path=frames,
        recipe=recipe or (opened.samples.recipe if opened.samples else None),
        limit=FRAMES,
    )
    rules = recipe_of(full, source.recipe)
    pictures = _encoded(source, full)
    tidied, found = tidy(full), list[Film]()
    most = len(opened.distinct) * len(threads)
    for artifact in opened.distinct:
        with full_like(tidied, artifact, opened) as whole:
            both = (
                _around(whole, full, opened),
                _around(opened.contender(artifact, "cut"), opened.network, opened),
            )
            for count in threads:
                tell(f"camera loop {artifact.path}", len(found), most)
                first, second = loops(
                    both, pictures, rules, threads=count, duration_s=duration_s, pin=pin
                )
                found.append(
                    Film(
                        artifact=artifact.path,
                        threads=count,
                        full=first,
                        cut=second,
                        speed_up=ratio(first, second),
                    )
                )
    tell("camera loop", most, most)
    return found


def _encoded(source: SampleSource, network: Network) -> list[bytes]:
    """The images' bytes, of those that can be used."""
    samples = source.open(network)
    usable = {sample.name for sample in samples}
    entries = [samples.source.entries[place] for place in samples.chosen]
    read = zip(entries, samples.source.read(samples.chosen), strict=True)
    found = [data for entry, data in read if data is not None and entry.name in usable]
    if sum(map(len, found)) > MOST_BYTES:
        raise EdgecutError(
            f"{source.path}: {len(found)} images take more than {MOST_BYTES >> 20} MiB",
            code="large-frames",
            hint="give smaller images, as a camera would",
        )
    return found


def _around(one: Contender, network: Network, opened: OpenBundle) -> Application:
    categories, kept = network.categories, opened.network.categories
    assert categories is not None and kept is not None
    return Application(
        contender=one,
        image=network.image.name,
        categories=categories,
        keep=tuple(categories.names.index(name) for name in kept.names),
        gains=neutral_gains(network),
    )
