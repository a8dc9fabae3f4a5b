"""How long a bundle's artifacts take on this machine, beside the full network's like them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgecut.artifact import Artifact
from edgecut.cost import Cost, cost
from edgecut.errors import EdgecutError
from edgecut.measure.contender import Contender
from edgecut.measure.latency import STARTS, measure
from edgecut.measure.measurement import Measurement
from edgecut.measure.ratio import Ratio, ratio
from edgecut.network import Network, digest_of
from edgecut.opened import OpenBundle, open_bundle
from edgecut.passes.tidy import tidy
from edgecut.produce import Tensors, produce
from edgecut.progress import Tell, nobody
from edgecut.roofline import Point, point, traffic
from edgecut.roofs import LEFT_OUT, Ground, Place, Roof, RoofOrReason, grounds, over, roofs_here
from edgecut.runtimes import find_accelerator
from edgecut.target import Target

FORMATS = {".tflite": "tflite", ".xml": "openvino", ".onnx": "onnx"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One artifact's latency at one number of threads, full network against cut, in turn.

    ``speed_up`` is the median latency of the full network's artifact over the cut one's,
    ``macs_ratio`` what the MACs alone would promise; None where not all of them are counted.
    ``against`` is another file that took part, and ``against_ratio`` its latency over the cut
    one's. The points are where both stand under the ``roof`` of the machine that it was measured
    on; where that is not known, it says why. ``target`` is what the artifact was built for.
    """

    artifact: str
    target: Target
    scheme: str
    full: Measurement
    cut: Measurement
    full_cost: Cost
    cut_cost: Cost
    speed_up: Ratio
    full_point: Point | None = None
    cut_point: Point | None = None
    roof: RoofOrReason = LEFT_OUT
    against: Measurement | None = None
    against_ratio: Ratio | None = None

    @property
    def macs_ratio(self) -> float | None:
        """MACs of the full network over those of the cut one; None where they promise nothing.

        That is where some are not known, or one of the two multiplies nothing.
        """
        if self.full_cost.uncounted or self.cut_cost.uncounted:
            return None
        if not (self.full_cost.macs and self.cut_cost.macs):
            return None
        return self.full_cost.macs / max(self.cut_cost.macs, 1)

    @property
    def realisation(self) -> float | None:
        """How much of the promise came true: the speed-up over ``macs_ratio``."""
        return None if self.macs_ratio is None else self.speed_up.ratio / self.macs_ratio

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
    starts: int = STARTS,
    precision: float | None = None,
    pin: Sequence[int] | None = None,
    sustain_s: float = 0.0,
    scenarios: Mapping[str, Any] | None = None,
    against: Path | None = None,
    accelerator: str | None = None,
    under_roof: bool = True,
    failed: Callable[[EdgecutError], None] | None = None,
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
        starts: how often all of them begin anew, in fresh processes.
        precision: end as soon as the medians and their ratios are known to this share.
        pin: the only cores that may be used.
        sustain_s: seconds to run each artifact for afterwards, without a pause.
        scenarios: what else to measure, as ``measure`` takes it.
        against: another ``.tflite``, ``.xml`` or ``.onnx`` file, to run in turn with them.
        accelerator: OpenVINO's name of the device to run on, ``NPU``, ``GPU`` or ``CPU``: then only
            the OpenVINO artifacts are measured.
        under_roof: measure the processor's peaks, too, unless they are known already.
        failed: told of the error of each artifact that cannot be measured, while the others are;
            by default the first such error ends it all.
        tell: told of progress.

    Returns:
        For each artifact that could be measured, one timing for each number of threads.

    Raises:
        EdgecutError: what ``open_bundle`` and ``Field`` raise, and without ``failed`` what
            ``produce`` and ``measure`` raise.
    """
    opened = open_bundle(folder, model=model)
    field = Field(opened, against=against, accelerator=accelerator)
    ran: list[Ran] = []
    artifacts = field.artifacts()
    most = len(artifacts) * len(threads)
    for artifact in artifacts:
        try:
            with field.round(artifact) as turn:
                for count in threads:
                    tell(f"bench {artifact.path}", len(ran), most)
                    measured = measure(
                        turn.contenders,
                        threads=count,
                        duration_s=duration_s,
                        starts=starts,
                        precision=precision,
                        pin=pin,
                        sustain_s=sustain_s,
                        scenarios=scenarios,
                    )
                    ran.append((turn, measured))
        except EdgecutError as error:
            if failed is None:
                raise
            failed(_of(artifact, error))
    under_roof = under_roof and accelerator in (None, "CPU")
    roofs = roofs_here(grounds_of(ran), tell=tell) if under_roof else {}
    tell("bench", most, most)
    return timings_of(ran, roofs)


def _of(artifact: Artifact, error: EdgecutError) -> EdgecutError:
    """The error, naming the artifact that it kept from being measured."""
    return EdgecutError(
        f"{artifact.path}: {error.message}", code=error.code, where=error.where, hint=error.hint
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What runs in turn for one artifact: the full network's like it, and last the artifact."""

    artifact: str
    target: Target
    scheme: str
    contenders: tuple[Contender, ...]
    full: Network
    cut: Network
    accelerator: str | None = None

    def timing(self, measured: Sequence[Measurement], roof: RoofOrReason = LEFT_OUT) -> Timing:
        """What came of it: a measurement for each contender, under a roof."""
        if self.accelerator not in (None, "CPU"):
            # The same machine, and yet nothing to compare with what its processor takes.
            told = {"accelerator": self.accelerator}
            measured = [replace(m, environment={**m.environment, **told}) for m in measured]
        first, *beside, last = measured
        return Timing(
            artifact=self.artifact,
            target=self.target,
            scheme=self.scheme,
            full=first,
            cut=last,
            full_cost=cost(self.full),
            cut_cost=cost(self.cut),
            speed_up=ratio(first, last),
            full_point=self._point(self.full, first, roof),
            cut_point=self._point(self.cut, last, roof),
            roof=roof,
            against=beside[0] if beside else None,
            against_ratio=ratio(beside[0], last) if beside else None,
        )

    def _point(self, network: Network, measured: Measurement, roof: RoofOrReason) -> Point | None:
        """Where a network's artifact stands under the roof; None where its scheme has none."""
        peak = roof.rate(self.scheme) if isinstance(roof, Roof) else None
        if not isinstance(roof, Roof) or peak is None:
            return None
        if cost(network).uncounted or traffic(network, self.scheme).uncounted:
            return None
        (ran,) = (one for one in self.contenders if one.name == measured.name)
        return point(
            network,
            self.scheme,
            latency_ms=measured.median_ms,
            peak_gmacs_per_s=peak,
            bandwidth_gb_per_s=roof.bandwidth_gb_per_s,
            ports=(*(ran.inputs or ()), *(ran.outputs or ())),
        )


Ran = tuple[Round, Sequence[Measurement]]
"""A round, and a measurement for each contender."""


def grounds_of(ran: Sequence[Ran], *, device: str = "") -> dict[Place, Ground]:
    """What the roofs over these stand on, as ``grounds`` has it."""
    return grounds(
        ((turn.target, turn.scheme, measured[-1]) for turn, measured in ran), device=device
    )


def timings_of(ran: Sequence[Ran], roofs: Mapping[Place, RoofOrReason]) -> list[Timing]:
    """What came of all of them, under the roofs that were found."""
    return [
        turn.timing(measured, over(roofs, turn.target, measured[-1].threads))
        for turn, measured in ran
    ]


class Field:
    """All that a bundle has to run, and what runs beside it.

    Args:
        opened: the bundle.
        against: as ``bench`` takes it.
        accelerator: as ``bench`` takes it.

    Raises:
        EdgecutError: what ``OpenBundle.full`` and ``tidy`` raise, ``unknown-format``,
            ``no-such-accelerator``, ``nothing-to-measure``.
    """

    def __init__(
        self, opened: OpenBundle, *, against: Path | None = None, accelerator: str | None = None
    ) -> None:
        self._opened = opened
        self._other = [] if against is None else [_other(against)]
        self._accelerator = find_accelerator(accelerator) if accelerator else None
        if self._accelerator and any(other.format != "openvino" for other in self._other):
            raise _only_openvino(f"{against} is no OpenVINO file")
        self._full = tidy(opened.full())

    def artifacts(self, target: str | None = None) -> list[Artifact]:
        """The artifacts for a target, or for all of them; only one of each file.

        Raises:
            EdgecutError: ``nothing-to-measure`` where there are none.
        """
        if self._accelerator:
            found = [a for a in self._opened.distinct if a.format == "openvino"]
            if not found:
                raise _only_openvino(f"{self._opened.folder} holds no artifact for OpenVINO")
            return found
        targets = sorted({artifact.target for artifact in self._opened.artifacts})
        if target is not None and target not in targets:
            raise EdgecutError(
                f"{self._opened.folder} holds no artifact for the target '{target}', only for "
                + ", ".join(targets),
                code="nothing-to-measure",
                hint=f"build with --target {target}",
            )
        wanted = (a for a in self._opened.artifacts if target in (None, a.target))
        return list({artifact.path: artifact for artifact in wanted}.values())

    def formats(self, artifacts: Sequence[Artifact]) -> set[str]:
        """What must be there to run these artifacts, and the file beside them."""
        return {artifact.format for artifact in artifacts} | {c.format for c in self._other}

    @contextmanager
    def round(self, artifact: Artifact) -> Iterator[Round]:
        """What runs in turn for an artifact; its files are there as long as the context is."""
        with full_like(self._full, artifact, self._opened) as whole:
            contenders = (whole, *self._other, self._opened.contender(artifact, "cut"))
            if self._accelerator:
                contenders = tuple(replace(c, device=self._accelerator) for c in contenders)
            yield Round(
                artifact=artifact.path,
                target=self._opened.target(artifact.target),
                scheme=artifact.scheme,
                contenders=contenders,
                full=self._full,
                cut=self._opened.network,
                accelerator=self._accelerator,
            )


def _only_openvino(message: str) -> EdgecutError:
    return EdgecutError(
        message,
        code="nothing-to-measure",
        hint="OpenVINO's devices run its own format alone: build for a target that takes it",
    )


@contextmanager
def full_like(full: Network, artifact: Artifact, opened: OpenBundle) -> Iterator[Contender]:
    """The full network, tidied, as an artifact of the same target and scheme, in a temporary
    folder.
    """
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
