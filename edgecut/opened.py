"""A bundle read back from its folder, and networks set running for a comparison."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgecut import bundle
from edgecut.artifact import Artifact
from edgecut.errors import EdgecutError
from edgecut.measure.contender import Contender
from edgecut.network import Network
from edgecut.runtimes import RunningArtifact, open_runtime, ports_of
from edgecut.scores import EXACT, SCORES
from edgecut.source import SampleSource, Source, TargetSource, load
from edgecut.target import Target, read_target

CHECK_SAMPLES = 16
RANDOM_SAMPLES = 2
RANDOM_RANGES = (1.0, 255.0)

Inputs = Iterator[tuple[str, dict[str, np.ndarray]]]
Selection = dict[str, tuple[int, tuple[int, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBundle:
    """A bundle that was read back: the cut network, its artifacts, where it came from."""

    folder: Path
    network: Network
    artifacts: tuple[Artifact, ...]
    keep: tuple[str, ...]
    scores: str
    selection: Selection
    source: Source
    source_given: bool
    source_digest: str
    versions: Mapping[str, str]
    samples: SampleSource | None
    targets: tuple[str, ...]

    @property
    def distinct(self) -> list[Artifact]:
        """One artifact for each file, whatever targets share it."""
        return list({artifact.path: artifact for artifact in self.artifacts}.values())

    def contender(self, artifact: Artifact, name: str) -> Contender:
        """One of its artifacts, to be measured under this name."""
        return Contender(
            name=name,
            path=self.folder / artifact.path,
            format=artifact.format,
            inputs=artifact.inputs,
            outputs=artifact.outputs,
            files=tuple(bundle.files_of(self.folder, artifact)),
            digest=artifact.digest,
            verified_on=self.versions,
        )

    def target(self, name: str) -> Target:
        """The target of an artifact, read again from where the build read it."""
        found = {target.name: target for target in map(read_target, self.targets)}
        return found[name] if name in found else read_target(name)

    def full(self) -> Network:
        """The full network, loaded from where the report says.

        Raises:
            EdgecutError: ``other-model`` where it is not the one that was cut, ``untrusted-model``
                where nobody but the report asks to run its code.
        """
        if not (self.source_given or self.source.is_data):
            raise EdgecutError(
                f"{self.folder} was built from '{self.source.model}', and loading that runs code",
                code="untrusted-model",
                hint=f"if you trust it: --model {self.source.model}",
            )
        try:
            network = load(self.source)
        except EdgecutError as error:
            if error.code == "missing-model" and not self.source_given:
                error.hint = "it is not where the report says: give it with --model"
            if error.code in ("untrusted-code", "untrusted-pickle"):
                error.hint = f"if you trust it: --model {self.source.model}"
            raise
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
    told = [(a["path"], a["sha256"], a["target"]) for a in report["artifacts"]]
    if not artifacts or told != [(a.path, a.digest, a.target) for a in artifacts]:
        raise ValueError("they list different artifacts, or none")
    for artifact in artifacts:
        bundle.check_digest(folder, artifact)
    bundle.check_cut(folder, manifest["cut_sha256"])
    recorded, samples = Source.from_json(report["source"], folder), report["samples"]
    network = _cut_network(folder, recorded.attention, manifest.get("attention"))
    return OpenBundle(
        folder=folder,
        network=network,
        artifacts=artifacts,
        keep=tuple(str(name) for name in report["keep"]),
        scores=_scores(report.get("scores", EXACT)),
        selection={
            name: (int(axis), tuple(int(slot) for slot in slots))
            for name, (axis, slots) in report["selection"].items()
        },
        source=replace(recorded, model=model, trust=True) if model else recorded,
        source_given=model is not None,
        source_digest=manifest["source_sha256"],
        versions={str(name): str(version) for name, version in manifest["versions"].items()},
        samples=SampleSource.from_json(samples, folder) if samples else None,
        targets=tuple(TargetSource.from_json(t, folder).target for t in report["targets"]),
    )


def _scores(told: object) -> str:
    if told not in SCORES:
        raise ValueError(f"'scores' is {told!r}")
    return str(told)


def _cut_network(folder: Path, attention: bool, told: dict[str, Any] | None) -> Network:
    network = load(Source(model=str(folder / bundle.CUT), attention=attention))
    if told != (network.attention.to_json() if network.attention else None):
        raise ValueError(f"'attention' is not that of {bundle.CUT}")
    return network


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
    """What checks run on: a few samples, or random input where there are none.

    A network with attention runs under neutral gains and under random ones in turn.
    """
    if samples is not None:
        for place, sample in enumerate(samples.limited(CHECK_SAMPLES).open(network)):
            told, gains = _gains(network, place)
            yield sample.name + told, {network.image.name: sample.tensor, **gains}
        return
    for inputs in random_inputs(network):
        yield from inputs


def neutral_gains(network: Network) -> dict[str, np.ndarray]:
    """What a network takes beside its image to give what the plain one gives."""
    attention = network.attention
    return {} if attention is None else {attention.input: attention.neutral_gains()}


def gains_taken(full: Network, cut: Network) -> Selection:
    """The gains of the full network that the cut one takes: input, axis and slots."""
    if full.attention is None or cut.attention is None:
        return {}
    return {full.attention.input: (1, cut.attention.slots_in(full.attention))}


def random_inputs(network: Network) -> list[Inputs]:
    """Evenly distributed pixels of 0..1, and of 0..255."""
    return [_random_pixels(network, largest) for largest in RANDOM_RANGES]


def _random_pixels(network: Network, largest: float) -> Inputs:
    for seed in range(RANDOM_SAMPLES):
        random = np.random.default_rng(seed)
        pixels = {
            spec.name: random.uniform(0.0, largest, spec.shape).astype(spec.dtype)
            for spec in network.inputs
        }
        told, gains = _gains(network, seed)
        yield f"random 0..{largest:g}, {seed}{told}", {**pixels, **gains}


def _gains(network: Network, place: int) -> tuple[str, dict[str, np.ndarray]]:
    """What every second sample is called beside its name, and the gains that it runs under."""
    attention = network.attention
    if attention is None:
        return "", {}
    gains = attention.varied(place)
    told = "" if (gains == attention.neutral_gains()).all() else ", random gains"
    return told, {attention.input: gains}
