"""How long a bundle's artifacts take on this machine, beside the full network's like them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgecut import bundle
from edgecut.artifact import Artifact
from edgecut.cost import Cost, cost
from edgecut.errors import EdgecutError
from edgecut.measure.latency import Contender, Measurement, Ratio, measure, ratio
from edgecut.network import Network, digest_of
from edgecut.opened import OpenBundle, open_bundle
from edgecut.passes.tidy import tidy
from edgecut.produce import Tensors, produce
from edgecut.progress import Tell, nobody

FORMATS = {".tflite": "tflite", ".xml": "openvino", ".onnx": "onnx"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One artifact's latency at one number of threads, full network against cut, in turn.

    ``speed_up`` is the median latency of the full network's artifact over the cut one's,
    ``macs_ratio`` what the MACs alone would promise. ``against`` is another file that took part,
    and ``against_ratio`` its latency over the cut one's.
    """

    artifact: str
    full: Measurement
    cut: Measurement
    full_cost: Cost
    cut_cost: Cost
    speed_up: Ratio
    against: Measurement | None = None
    against_ratio: Ratio | None = None

    @property
    def macs_ratio(self) -> float:
        """MACs of the full network over those of the cut one."""
        return self.full_cost.macs / max(self.cut_cost.macs, 1)

    @property
    def realisation(self) -> float:
        """How much of the promise came true: the speed-up over ``macs_ratio``."""
        return self.speed_up.ratio / self.macs_ratio

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """Everything that was measured."""
        return (self.full, self.cut, *([self.against] if self.against else []))


def bench(
    folder: Path,
    *,
    model: str | None = None,
    threads: Sequence[int] = (1,),
    duration_s: float = 5.0,
    precision: float | None = None,
    pin: Sequence[int] | None = None,
    sustain_s: float = 0.0,
    against: Path | None = None,
    tell: Tell = nobody,
) -> list[Timing]:
    """Latency on this machine of every artifact, interleaved with the full network's like it.

    The full network's artifacts are made for the occasion, by the same passes, and where they are
    int8 with the same samples: what those say decides on operations, too.

    Args:
        folder: what ``build`` wrote.
        model: the full model, where it is no longer where the report says.
        threads: CPU threads of the runtimes: one run for each number.
        duration_s: seconds to measure each artifact for, at most.
        precision: end as soon as the medians and their ratios are known to this share.
        pin: the only cores that may be used.
        sustain_s: seconds to run each artifact for afterwards, without a pause.
        against: another ``.tflite``, ``.xml`` or ``.onnx`` file, to run in turn with them.
        tell: told of progress.

    Returns:
        For each artifact, one timing for each number of threads.

    Raises:
        EdgecutError: what ``open_bundle``, ``produce`` and ``measure`` raise.
    """
    opened = open_bundle(folder, model=model)
    other = [] if against is None else [_other(against)]
    full = tidy(opened.full())
    timings: list[Timing] = []
    artifacts = opened.distinct
    most = len(artifacts) * len(threads)
    for artifact in artifacts:
        with _full_like(full, artifact, opened) as whole:
            contenders = [whole, *other, _of_bundle(artifact, opened)]
            for count in threads:
                tell(f"bench {artifact.path}", len(timings), most)
                first, *beside, last = measure(
                    contenders,
                    threads=count,
                    duration_s=duration_s,
                    precision=precision,
                    pin=pin,
                    sustain_s=sustain_s,
                )
                timings.append(
                    Timing(
                        artifact=artifact.path,
                        full=first,
                        cut=last,
                        full_cost=cost(full),
                        cut_cost=cost(opened.network),
                        speed_up=ratio(first, last),
                        against=beside[0] if beside else None,
                        against_ratio=ratio(beside[0], last) if beside else None,
                    )
                )
    tell("bench", most, most)
    return timings


@contextmanager
def _full_like(full: Network, artifact: Artifact, opened: OpenBundle) -> Iterator[Contender]:
    """The full network as an artifact of the same target and scheme, in a temporary folder."""
    needed = opened.samples if artifact.scheme == "int8" else None
    samples = Tensors(needed.open(full)) if needed else None
    emitted = produce(full, opened.target(artifact.target), artifact.scheme, samples)
    with tempfile.TemporaryDirectory(prefix="edgecut-") as name:
        files = [Path(name) / f"full{suffix}" for suffix in emitted.files]
        for path, content in zip(files, emitted.files.values(), strict=True):
            path.write_bytes(content)
        yield Contender(
            name="full",
            path=files[0],
            format=emitted.format,
            inputs=emitted.inputs,
            outputs=emitted.outputs,
            files=tuple(files),
            digest=digest_of(b"".join(emitted.files.values())),
        )


def _of_bundle(artifact: Artifact, opened: OpenBundle) -> Contender:
    return Contender(
        name="cut",
        path=opened.folder / artifact.path,
        format=artifact.format,
        inputs=artifact.inputs,
        outputs=artifact.outputs,
        files=tuple(bundle.files_of(opened.folder, artifact)),
        digest=artifact.digest,
        verified_on=opened.versions,
    )


def _other(path: Path) -> Contender:
    """A file that edgecut knows nothing of; its tensors are as it describes them."""
    if path.suffix not in FORMATS:
        raise EdgecutError(
            f"{path} is no artifact that can run",
            code="unknown-format",
            hint=f"known endings: {', '.join(FORMATS)}",
        )
    beside = path.with_suffix(".bin")
    files = (path, beside) if path.suffix == ".xml" and beside.is_file() else (path,)
    return Contender(
        name="against",
        path=path,
        format=FORMATS[path.suffix],
        inputs=None,
        outputs=None,
        files=files,
    )
