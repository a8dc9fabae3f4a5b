"""A bundle read back from its folder, and networks set running for a comparison."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgecut import bundle
from edgecut.artifact import Artifact
from edgecut.errors import EdgecutError
from edgecut.network import Network
from edgecut.runtimes import RunningArtifact, open_runtime, ports_of
from edgecut.source import SampleSource, Source, TargetSource, load
from edgecut.target import Target, read_target

CHECK_SAMPLES = 16
RANDOM_SAMPLES = 4

Inputs = Iterator[tuple[str, dict[str, np.ndarray]]]
Selection = dict[str, tuple[int, tuple[int, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBundle:
    """A bundle that was read back: the cut network, its artifacts, where it came from."""

    folder: Path
    network: Network
    artifacts: tuple[Artifact, ...]
    selection: Selection
    source: Source
    source_digest: str
    samples: SampleSource | None
    targets: tuple[str, ...]

    def target(self, name: str) -> Target:
        """The target of an artifact, read again from where the build read it."""
        found = {target.name: target for target in map(read_target, self.targets)}
        return found[name] if name in found else read_target(name)

    def full(self) -> Network:
        """The full network, loaded from where the report says.

        Raises:
            EdgecutError: ``other-model`` where it is not the one that was cut.
        """
        network = load(self.source)
        if network.digest != self.source_digest:
            raise EdgecutError(
                f"{self.source.model} is not the model that {self.folder} was built from",
                code="other-model",
                hint="give the original with --model",
            )
        return network


def open_bundle(folder: Path, *, model: str | None = None) -> OpenBundle:
    """Read a bundle back, and check that its files are those that were built.

    Args:
        folder: what ``build`` wrote.
        model: the full model, where it is no longer where the report says.

    Raises:
        EdgecutError: ``not-a-bundle``, ``other-schema``, ``path-escape``, ``missing-artifact``,
            ``changed-artifact``.
    """
    manifest = bundle.read_json(folder / bundle.MANIFEST, bundle.MANIFEST_SCHEMA)
    report = bundle.read_json(folder / bundle.REPORT, bundle.REPORT_SCHEMA)
    try:
        return _opened(folder, manifest, report, model)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EdgecutError(
            f"{folder / bundle.MANIFEST} or {bundle.REPORT} beside it lacks something or misstates "
            f"it ({type(error).__name__}: {error})",
            code="not-a-bundle",
            hint="build again",
        ) from error


def _opened(
    folder: Path, manifest: dict[str, Any], report: dict[str, Any], model: str | None
) -> OpenBundle:
    artifacts = tuple(bundle.artifact_from_json(a) for a in manifest["artifacts"])
    for artifact in artifacts:
        bundle.check_digest(folder, artifact)
    bundle.check_cut(folder, manifest["cut_sha256"])
    network = load(Source(model=str(folder / bundle.CUT)))
    recorded, samples = Source.from_json(report["source"], folder), report["samples"]
    return OpenBundle(
        folder=folder,
        network=network,
        artifacts=artifacts,
        selection={
            name: (axis, tuple(slots)) for name, (axis, slots) in report["selection"].items()
        },
        source=replace(recorded, model=model) if model else recorded,
        source_digest=manifest["source_sha256"],
        samples=SampleSource.from_json(samples, folder) if samples else None,
        targets=tuple(TargetSource.from_json(t, folder).target for t in report["targets"]),
    )


@contextmanager
def running(network: Network, *, threads: int = 2) -> Iterator[RunningArtifact]:
    """A network, running on ONNX Runtime in a child process."""
    inputs, outputs = ports_of(network)
    with tempfile.TemporaryDirectory(prefix="edgecut-") as folder:
        path = Path(folder) / "network.onnx"
        network.write(path)
        with open_runtime(path, "onnx", inputs, outputs, threads=threads) as runtime:
            yield runtime


def check_inputs(network: Network, samples: SampleSource | None) -> Inputs:
    """What checks run on: a few samples, or random input where there are none."""
    if samples is not None:
        for sample in samples.limited(CHECK_SAMPLES).open(network):
            yield sample.name, {network.image.name: sample.tensor}
        return
    for seed in range(RANDOM_SAMPLES):
        random = np.random.default_rng(seed)
        yield (
            f"random {seed}",
            {
                spec.name: random.standard_normal(spec.shape).astype(spec.dtype)
                for spec in network.inputs
            },
        )
