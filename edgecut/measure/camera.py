"""The camera loop: what an application takes from an encoded image to what it shows.

A tool times the runtime's invocation; an application decodes, prepares, feeds, runs, fetches and
decodes again. Here all of that runs as an application would do it: in one process for each
artifact, with edgecut's own preprocessing and post-processing, in turn with the other artifacts.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import numpy as np

from edgecut import category_json, device
from edgecut.artifact import Port
from edgecut.categories import CategoryMap
from edgecut.detections import detect
from edgecut.errors import EdgecutError
from edgecut.measure import environment as environments
from edgecut.measure.latency import Ratio, ratio_of
from edgecut.recipe import KEY as RECIPE
from edgecut.recipe import Recipe, embedded, prepare, to_text
from edgecut.runtimes import device_environment, entry_of, require_runtime, stderr_tail
from edgecut.samples import Entry, decoded

STAGES = ("decode", "prepare", "infer", "finish")
"""Bytes to pixels; pixels to the input; the artifact, fed and fetched; outputs to an answer."""
BURST_S = 0.2
WARM_UP = 3
MIN_BURSTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """An artifact with what stands around it; ``gains`` is fed beside the image where it is."""

    name: str
    path: Path
    format: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    image: str
    categories: CategoryMap
    keep: tuple[int, ...]
    gains: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """What a frame took, stage by stage; each burst holds frames, each frame its stages, in ms."""

    name: str
    bursts_ms: tuple[tuple[tuple[float, ...], ...], ...]
    reasons: tuple[str, ...]

    @property
    def stages_ms(self) -> dict[str, float]:
        """The median of each stage."""
        frames = np.array([frame for burst in self.bursts_ms for frame in burst])
        return dict(zip(STAGES, map(float, np.median(frames, axis=0)), strict=True))

    @property
    def frame_ms(self) -> float:
        """The median of a whole frame."""
        return float(np.median([sum(frame) for burst in self.bursts_ms for frame in burst]))

    @property
    def frames(self) -> int:
        """How many were timed."""
        return sum(map(len, self.bursts_ms))


def loops(
    applications: Sequence[Application],
    frames: Sequence[bytes],
    recipe: Recipe,
    *,
    threads: int = 1,
    duration_s: float = 5.0,
) -> list[Loop]:
    """The applications in turn, over and over the same encoded images.

    Raises:
        EdgecutError: ``missing-package``, ``runtime-failed``, or what decoding the outputs raises.
    """
    found: list[list[tuple[tuple[float, ...], ...]]] = [[] for _ in applications]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edgecut-")))
        files = [folder / str(place) for place in range(len(frames))]
        for path, frame in zip(files, frames, strict=True):
            path.write_bytes(frame)
        running = []
        for one in applications:
            require_runtime(one.format)
            running.append(stack.enter_context(_Process(one, files, recipe, threads)))
        counts = [max(1, int(BURST_S / _seconds(process.ask(WARM_UP)))) for process in running]
        ids = [process.process_id for process in running]
        before = device.describe_moment(ids)
        ends = time.monotonic() + duration_s * len(applications)
        while time.monotonic() < ends or len(found[0]) < MIN_BURSTS:
            for bursts, process, count in zip(found, running, counts, strict=True):
                bursts.append(process.ask(count))
        environment = device.describe_machine()
        environment |= {"before": before, "after": device.describe_moment(ids)}
    reasons = tuple(environments.disturbances(environment))
    return [
        Loop(name=one.name, bursts_ms=tuple(bursts), reasons=reasons)
        for one, bursts in zip(applications, found, strict=True)
    ]


def ratio(of: Loop, to: Loop) -> Ratio:
    """How many times as long a frame takes: the median over rounds of both bursts' medians."""
    medians = [
        np.array([np.median([sum(frame) for frame in burst]) for burst in loop.bursts_ms])
        for loop in (of, to)
    ]
    return ratio_of(of.name, to.name, medians[0] / medians[1], of.reasons)


def _seconds(burst: Sequence[Sequence[float]]) -> float:
    return max(float(np.median([sum(frame) for frame in burst])) / 1e3, 1e-6)


class _Process:
    """An application in a process of its own."""

    def __init__(
        self, one: Application, frames: Sequence[Path], recipe: Recipe, threads: int
    ) -> None:
        self._path = one.path
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed at the end
        self._process = subprocess.Popen(
            [sys.executable, "-m", "edgecut.measure.camera"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=device_environment(),
        )
        self.process_id = self._process.pid
        self._spec: dict[str, Any] | None = {
            "entry": entry_of(
                one.path, one.format, one.inputs, one.outputs, threads=threads, device="CPU"
            ),
            "image": one.image,
            "categories": category_json.to_json(one.categories),
            "keep": list(one.keep),
            "gains": {name: np.asarray(value).tolist() for name, value in one.gains.items()},
            "recipe": to_text(recipe),
            "frames": [str(path) for path in frames],
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()  # it holds nothing that must be saved
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._stderr):
            if pipe is not None:
                with suppress(OSError):  # what was not taken from a broken pipe
                    pipe.close()

    def ask(self, frames: int) -> tuple[tuple[float, ...], ...]:
        """The stages of so many further frames, in ms."""
        try:
            if self._spec is not None:
                self._tell(self._spec)
                self._spec = None
            self._tell(frames)
            assert self._process.stdout is not None
            answer = json.loads(self._process.stdout.readline())
        except (OSError, ValueError) as error:
            self._process.wait()
            raise EdgecutError(
                f"the application around {self._path.name} ended; it said:\n"
                f"{stderr_tail(self._stderr)}",
                code="runtime-failed",
                hint="`edgecut verify` shows whether the artifact runs at all",
            ) from error
        if "code" in answer:
            raise EdgecutError(answer["message"], code=answer["code"], hint=answer["hint"])
        return tuple(tuple(frame) for frame in answer["ms"])

    def _tell(self, value: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value).encode() + b"\n")
        self._process.stdin.flush()


class _Running:
    """The application itself, in the child."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.loaded = device.Loaded(spec["entry"])
        recipe = embedded({RECIPE: spec["recipe"]}, where="the camera loop")
        assert recipe is not None
        self.recipe, self.keep = recipe, spec["keep"]
        self.categories = category_json.from_json(spec["categories"])
        self.frames = [Path(path).read_bytes() for path in spec["frames"]]
        self.beside = {
            name: np.array(value, dtype=np.float32) for name, value in spec["gains"].items()
        }
        self.image = spec["image"]
        (image,) = (p for p in self.loaded.inputs if p["network_name"] == self.image)
        shape = dict(zip(image["permutation"], image["shape"], strict=True))
        self.hw = (shape[2], shape[3])
        self.done = 0

    def frame(self) -> list[float]:
        """One frame from bytes to an answer: milliseconds of each stage."""
        data = self.frames[self.done % len(self.frames)]
        self.done += 1
        marks = [time.perf_counter_ns()]
        picture = decoded(data, Entry(name=str(self.done)))
        marks.append(time.perf_counter_ns())
        tensor, geometry = prepare(picture, self.recipe, self.hw)
        marks.append(time.perf_counter_ns())
        named = {self.image: tensor, **self.beside}
        arrays = self.loaded.run([named[p["network_name"]] for p in self.loaded.inputs])
        marks.append(time.perf_counter_ns())
        names = (port["network_name"] for port in self.loaded.outputs)
        outputs = dict(zip(names, arrays, strict=True))
        if self.recipe.detections is None:
            entry = self.categories.outputs[0]
            slots = [entry.slots.index(place) for place in self.keep]
            int(np.argmax(outputs[entry.output].ravel()[slots]))
        else:
            rules = self.recipe.detections
            detect(outputs, self.categories, rules, self.hw, geometry, keep=self.keep)
        marks.append(time.perf_counter_ns())
        return [(after - before) / 1e6 for before, after in itertools.pairwise(marks)]


def main() -> None:
    """The child: a spec, then on each line a number of frames to run."""
    channel = device.take_stdout()
    application = _Running(json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        try:
            told: dict[str, Any] = {"ms": [application.frame() for _ in range(int(line))]}
        except EdgecutError as error:
            told = {"message": error.message, "code": error.code, "hint": error.hint}
        device.send(channel, told)


if __name__ == "__main__":
    main()
