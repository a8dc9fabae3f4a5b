"""Where an artifact's time goes: each operator, its share, and what of the network it computes."""

from __future__ import annotations

from pathlib import Path

from edgecut.artifact import Artifact
from edgecut.errors import EdgecutError
from edgecut.measure.attribution import attributed
from edgecut.measure.profile import RUNS, Profile
from edgecut.measure.profile import profile as measure
from edgecut.node_categories import node_categories
from edgecut.opened import OpenBundle, open_bundle
from edgecut.progress import Tell, nobody


def profile(
    folder: Path,
    *,
    artifact: str | None = None,
    threads: int = 1,
    runs: int = RUNS,
    tell: Tell = nobody,
) -> list[Profile]:
    """Profiles of a bundle's artifacts on this machine, mapped to the cut network.

    Args:
        folder: what ``build`` wrote.
        artifact: the file of one artifact; all of them by default.
        threads: CPU threads of the runtimes.
        runs: runs of each artifact under the profiler.
        tell: told of progress.

    Raises:
        EdgecutError: ``unknown-artifact``, what ``open_bundle`` and ``measure.profile`` raise.
    """
    opened = open_bundle(folder)
    network = opened.network
    chosen = opened.distinct if artifact is None else [_named(artifact, opened)]
    serves = node_categories(network)
    found = []
    for done, one in enumerate(chosen):
        tell(f"profile {one.path}", done, len(chosen))
        contender = opened.contender(one, one.path)
        raw, graph = measure(contender, threads=threads, runs=runs)
        found.append(
            attributed(raw, network=network, served=serves, path=contender.path, graph=graph)
        )
    return found


def _named(name: str, opened: OpenBundle) -> Artifact:
    """The artifact of that name, or at that path."""
    found = {artifact.path: artifact for artifact in opened.distinct}
    path = Path(name)
    here = path.parent == Path() or path.resolve().parent == opened.folder.resolve()
    if not here or path.name not in found:
        raise EdgecutError(
            f"'{name}' is no artifact of {opened.folder}",
            code="unknown-artifact",
            hint=f"its artifacts: {', '.join(found)}",
        )
    return found[path.name]
