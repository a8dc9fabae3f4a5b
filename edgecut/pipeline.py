"""The whole line, written out once: load, cut, check, tidy, emit, quantise, verify, write.

This is the library's front door; the command line only parses, calls it and renders.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgecut import bundle, cutout, discovery
from edgecut.artifact import Artifact
from edgecut.category_json import to_json
from edgecut.cost import Cost, cost
from edgecut.errors import EdgecutError, EdgecutWarning
from edgecut.network import Network, digest_of
from edgecut.opened import open_bundle
from edgecut.passes import attend
from edgecut.passes.tidy import tidy
from edgecut.produce import Tensors, produce
from edgecut.progress import Tell, nobody
from edgecut.proofs import Built, check_cut, require_exact, verify_all
from edgecut.recipe import Recipe, embedded
from edgecut.samples import Samples
from edgecut.scores import EXACT, SUMMED
from edgecut.source import SampleSource, Source, TargetSource, load, recipe_of
from edgecut.synthetic import draw
from edgecut.synthetic.draw import Drawn
from edgecut.target import Target, read_target
from edgecut.verification import Verification, doubts

DEFAULT_TARGETS = ("generic-arm64", "intel-cpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class CutResult:
    """A cut network, tidied, what it saved, and the proof that it is exact.

    ``samples`` are those that it was checked on, ``drawn`` how they were chosen if synthetic.
    """

    full: Network
    network: Network
    cut: cutout.Cut
    cost: Cost
    check: Verification
    samples: SampleSource | None
    drawn: Drawn | None

    @property
    def checked_on(self) -> str:
        """What kind of input the check ran on."""
        if self.samples is None:
            return "random input"
        return "synthetic samples" if self.samples.is_synthetic else "samples"

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user may not have expected."""
        return self.noted([])

    def noted(self, built: Sequence[Verification]) -> tuple[str, ...]:
        """The same, once artifacts have been checked as well."""
        assert self.full.categories is not None
        count = len(self.full.categories.names)
        everything = len(self.cut.keep) == count
        cut = (f"nothing was cut: all {count} categories are kept",) if everything else ()
        categories = self.network.categories
        assert categories is not None
        others = (
            f"output '{entry.output}', axis {entry.axis}: {SUMMED}; no label stands for that slot"
            for entry in categories.outputs
            if entry.reason.endswith(SUMMED)
        )
        values = (
            f"values of output '{entry.output}': {entry.told(categories.names)} ({entry.reason})"
            for entry in categories.coded
            if not everything
        )
        told = doubts([self.check, *built])
        unsure = (
            f"output '{entry.output}': {doubt}; give samples that show more of the categories"
            for entry in categories.coded
            for doubt in told.get(entry.output, ())
            if len(entry.values) > 1
        )
        remark = (self.drawn.remark,) if self.drawn else ()
        return (*cut, *others, *values, *unsure, *remark)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """What a build wrote: the folder, the cut, the artifacts, and what was left out and why."""

    folder: Path
    cut: CutResult
    built: tuple[Built, ...]
    notes: tuple[str, ...]

    @property
    def failed(self) -> tuple[Built, ...]:
        """The artifacts that are further from the network than their scheme allows."""
        return tuple(one for one in self.built if not one.verification.passed)


def cut(
    source: Source,
    *,
    keep: Sequence[str],
    scores: str = EXACT,
    samples: SampleSource | None = None,
    tell: Tell = nobody,
) -> CutResult:
    """Load, cut, tidy, and check that the result gives the full network's kept slots.

    Args:
        source: the model.
        keep: names of the categories to keep.
        scores: what they are behind a softmax; ``edgecut.scores`` has the table.
        samples: images to check on; random input without.
        tell: told of progress: stage, done, total (0 where unknown).

    Raises:
        EdgecutError: ``cut-not-exact``, ``tidy-not-exact``, or what the stages raise.
    """
    tell("load", 0, 0)
    full = load(source)
    tell("cut", 0, 0)
    small, saved = cutout.cut(full, keep, scores=scores)
    # Before tidy, which folds away what synthetic samples are chosen by.
    settled, drawn = samples.settled(small, tell) if samples else (None, None)
    small = attend.embed(discovery.embed(tidy(small)))
    expected = cutout.reference(full, keep, scores=scores)
    check = check_cut(expected, small, saved.selection, settled, tell)
    require_exact(check, full.name)
    return CutResult(
        full=full,
        network=small,
        cut=saved,
        cost=cost(small),
        check=check,
        samples=settled,
        drawn=drawn,
    )


def build(
    source: Source,
    *,
    keep: Sequence[str],
    out: Path,
    scores: str = EXACT,
    samples: SampleSource | None = None,
    targets: Sequence[str] = DEFAULT_TARGETS,
    schemes: Sequence[str] | None = None,
    tell: Tell = nobody,
) -> BuildResult:
    """Cut a network, and write verified artifacts for the targets into a folder.

    Args:
        source: the model.
        keep: names of the categories to keep.
        out: the folder; written whole or not at all.
        scores: what they are behind a softmax; ``edgecut.scores`` has the table.
        samples: images, or synthetic ones, to calibrate int8 and to check with. A network that
            edgecut trained is calibrated with synthetic ones by default.
        targets: names of targets, or paths of their ``.toml`` files.
        schemes: schemes to build; by default all that a target takes, but int8 only with samples.
        tell: told of progress: stage, done, total (0 where unknown).

    Raises:
        EdgecutError: what the stages raise. An artifact that fails its check is no error here: it
            is written, marked, and listed in ``BuildResult.failed``.
    """
    if samples is None and source.is_trained_by_edgecut:
        samples = SampleSource(path=draw.NAME, limit=draw.SAMPLES)
    jobs, notes = _jobs(_read_targets(targets), schemes, samples)
    source.require_outside(out)
    with bundle.new_folder(out) as folder:
        result = cut(source, keep=keep, scores=scores, samples=samples, tell=tell)
        samples = result.samples
        (folder / bundle.CUT).write_bytes(result.network.to_bytes())
        calibration = samples.open(result.network) if samples else None
        artifacts = _produce_all(result, jobs, calibration, folder, tell)
        built = verify_all(folder, result.network, artifacts, samples, tell)
        checks = [one.verification for one in built]
        notes += [*result.noted(checks), *(calibration.remarks if calibration else ())]
        _write_papers(folder, result, built, _recipe(result.full, samples))
        came_from = {
            "source": source.to_json(out),
            "samples": samples.to_json(out) if samples else None,
            "synthetic": asdict(result.drawn) if result.drawn else None,
            "targets": [TargetSource(target=name).to_json(out) for name in dict.fromkeys(targets)],
        }
        report = {**_report(result, built, notes), **came_from}
        bundle.write_json(folder / bundle.REPORT, report)
    return BuildResult(folder=out, cut=result, built=tuple(built), notes=tuple(notes))


def verify(
    folder: Path,
    *,
    model: str | None = None,
    samples: SampleSource | None = None,
    tell: Tell = nobody,
) -> tuple[Verification, list[Built]]:
    """Check a bundle again: the cut against the full network, every artifact against the cut.

    Args:
        folder: what ``build`` wrote.
        model: the full model, where it is no longer where the report says.
        samples: images, where not those that the report names.
        tell: told of progress.

    Raises:
        EdgecutError: ``not-a-bundle``, ``changed-artifact``, ``other-model``, or what loading and
            the runtimes raise.

    Warns:
        EdgecutWarning: the samples are synthetic.
    """
    opened = open_bundle(folder, model=model)
    full, chosen = opened.full(), samples or opened.samples
    if chosen is not None and chosen.is_synthetic:
        warnings.warn("checked on synthetic pictures, not on images", EdgecutWarning, stacklevel=2)
        chosen, _ = chosen.settled(full, tell)
    expected = cutout.reference(full, opened.keep, scores=opened.scores)
    check = check_cut(expected, opened.network, opened.selection, chosen, tell)
    built = verify_all(folder, opened.network, opened.artifacts, chosen, tell)
    return check, built


def _read_targets(names: Sequence[str]) -> list[Target]:
    targets = {name: read_target(name) for name in dict.fromkeys(names)}
    called = [target.name for target in targets.values()]
    twice = next((name for name in called if called.count(name) > 1), None)
    if twice is not None:
        raise EdgecutError(
            f"two different targets are called '{twice}'",
            code="duplicate-target",
            hint="give each .toml file a 'name' of its own",
        )
    return list(targets.values())


def _jobs(
    targets: Sequence[Target], schemes: Sequence[str] | None, samples: SampleSource | None
) -> tuple[list[tuple[Target, str]], list[str]]:
    """What to build, and notes on what is left out; wrong wishes are told before any work."""
    jobs, notes = [], []
    for target in targets:
        for scheme in dict.fromkeys(schemes or target.schemes):
            target.require(scheme)
            if scheme == "int8" and samples is None:
                if schemes is not None:
                    raise EdgecutError(
                        "int8 needs samples to calibrate with",
                        code="no-samples",
                        hint="give --samples and --recipe, or leave int8 out",
                    )
                notes.append(f"{target.name}: int8 left out, for it needs --samples and --recipe")
            else:
                jobs.append((target, scheme))
    return jobs, notes


def _produce_all(
    result: CutResult,
    jobs: Sequence[tuple[Target, str]],
    samples: Samples | None,
    folder: Path,
    tell: Tell,
) -> list[Artifact]:
    """Emit every job; targets with equal preferences share a file."""
    tensors = Tensors(samples) if samples else None
    written: dict[tuple[object, ...], Artifact] = {}
    taken: set[str] = set()
    artifacts = []
    for target, scheme in jobs:
        wish = (*target.preferences(), scheme)
        if wish not in written:
            stage = f"{target.format} {scheme}"
            tell(stage, 0, 0)
            emitted = produce(result.network, target, scheme, tensors, _staged(tell, stage))
            stem = f"{result.full.name}.{scheme}"
            stem = stem if f"{target.format} {stem}" not in taken else f"{stem}.{target.name}"
            taken.add(f"{target.format} {stem}")
            written[wish] = bundle.write_artifact(folder, stem, target.name, emitted)
        artifacts.append(bundle.for_target(written[wish], target.name))
    return artifacts


def _recipe(network: Network, samples: SampleSource | None) -> Recipe | None:
    """How images become the network's input, where anything says so."""
    if samples is None:
        return embedded(network.model.metadata_props, where=network.name)
    return recipe_of(network, samples.recipe)


def _write_papers(
    folder: Path, result: CutResult, built: Sequence[Built], recipe: Recipe | None
) -> None:
    """What travels with the artifacts: the labels and the manifest."""
    categories, attention = result.network.categories, result.network.attention
    assert categories is not None
    (folder / bundle.LABELS).write_text("\n".join(categories.names) + "\n", encoding="utf-8")
    manifest = {
        "schema": bundle.MANIFEST_SCHEMA,
        "name": result.full.name,
        "source_sha256": result.full.digest,
        "cut_sha256": digest_of((folder / bundle.CUT).read_bytes()),
        "categories": to_json(categories),
        "attention": attention.to_json() if attention else None,
        "preprocessing": asdict(recipe) if recipe else None,
        "artifacts": [bundle.artifact_to_json(one.artifact) for one in built],
        "versions": bundle.versions(),
    }
    bundle.write_json(folder / bundle.MANIFEST, manifest)


def _report(result: CutResult, built: Sequence[Built], notes: Sequence[str]) -> dict[str, Any]:
    """What was saved, and how exact it is."""
    selection = result.cut.selection.items()
    return {
        "schema": bundle.REPORT_SCHEMA,
        "keep": list(result.cut.keep),
        "scores": result.cut.scores,
        "cost": {
            "full": bundle.cost_to_json(result.cut.full),
            "cut": bundle.cost_to_json(result.cost),
        },
        "cut_check": {**result.check.to_json(), "input": result.checked_on},
        "selection": {name: [axis, list(slots)] for name, (axis, slots) in selection},
        "refusals": [asdict(refusal) for refusal in result.cut.refusals],
        "artifacts": [
            {
                "path": one.artifact.path,
                "format": one.artifact.format,
                "scheme": one.artifact.scheme,
                "target": one.artifact.target,
                "bytes": one.artifact.bytes,
                "sha256": one.artifact.digest,
                "verification": one.verification.to_json(),
            }
            for one in built
        ],
        "notes": list(notes),
    }


def _staged(tell: Tell, stage: str) -> Callable[[int, int], None]:
    return lambda done, total: tell(stage, done, total)
