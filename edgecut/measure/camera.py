"""The camera loop: what an application takes from an encoded image to what it shows.

A tool times the runtime's invocation; an application decodes, prepares, feeds, runs, fetches and
decodes again. Here all of that runs as an application would do it: in one process for each
artifact, with edgecut's own preprocessing and post-processing, in turn with the other artifacts.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import numpy as np

from edgecut import category_json, device, finite_json
from edgecut.categories import CategoryMap
from edgecut.errors import EdgecutError
from edgecut.measure import environment as environments
from edgecut.measure.contender import Contender
from edgecut.measure.judging import doubts, interruptions
from edgecut.measure.ratio import Ratio, ratio_of
from edgecut.recipe import Recipe, to_text
from edgecut.runtimes import OPEN_TIMEOUT_S, RUN_TIMEOUT_S, device_environment, stderr_tail

STAGES = ("decode", "prepare", "infer", "finish")
"""Bytes to pixels; pixels to the input; the artifact, fed and fetched; outputs to an answer."""
BURST_S = 0.2
PAUSE_S = 0.02
WARM_UP = 3
MIN_BURSTS = 5

Frames = tuple[tuple[float, ...], ...]
"""Of each frame its stages, in ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """An artifact with what stands around it; ``gains`` is fed beside the image where it is."""

    contender: Contender
    image: str
    categories: CategoryMap
    keep: tuple[int, ...]
    gains: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """What a frame took, stage by stage; each burst holds frames, each frame its stages, in ms."""

    name: str
    bursts_ms: tuple[Frames, ...]
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
    pin: Sequence[int] | None = None,
) -> list[Loop]:
    """The applications in turn, over and over the same encoded images.

    Raises:
        EdgecutError: what ``Contender.check`` raises, ``runtime-failed``, or what decoding the
            outputs raises.
    """
    for one in applications:
        one.contender.check()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edgecut-")))
        files = [folder / str(place) for place in range(len(frames))]
        for path, frame in zip(files, frames, strict=True):
            path.write_bytes(frame)
        around: dict[str, Any] = {"recipe": to_text(recipe), "frames": list(map(str, files))}
        around["pin"] = None if pin is None else list(pin)
        running = [
            stack.enter_context(_Process(one, threads, {**_spec_of(one), **around}))
            for one in applications
        ]
        found, state = _in_turn(running, duration_s)
        return [_loop(process, told, state) for process, told in zip(running, found, strict=True)]


def ratio(of: Loop, to: Loop) -> Ratio:
    """How many times as long a frame takes: the median over rounds of both bursts' medians."""
    medians = [
        np.array([np.median(burst) for burst in _whole(loop.bursts_ms)]) for loop in (of, to)
    ]
    reasons = tuple(f"{loop.name}: {reason}" for loop in (of, to) for reason in loop.reasons)
    return ratio_of(of.name, to.name, medians[0] / medians[1], reasons)


def _in_turn(
    running: Sequence[_Process], duration_s: float
) -> tuple[list[list[dict[str, Any]]], dict[str, Any]]:
    """What each application told of each burst, and the machine's state around and during them."""
    counts = [max(1, int(BURST_S / _seconds(process.burst(WARM_UP)))) for process in running]
    ids = [process.process_id for process in running]
    found: list[list[dict[str, Any]]] = [[] for _ in running]
    watch, before = device.Watch(), device.describe_moment(ids)
    ends = time.monotonic() + duration_s * len(running)
    while time.monotonic() < ends or len(found[0]) < MIN_BURSTS:
        for bursts, process, count in zip(found, running, counts, strict=True):
            bursts.append(process.burst(count))
            if watch.due():
                watch.note(bursts[-1]["clocks"])
            time.sleep(PAUSE_S)  # idle thread pools spin for a while before they sleep
    after = device.describe_moment(ids)
    return found, {"before": before, "during": watch.seen, "after": after}


def _loop(process: _Process, told: Sequence[Mapping[str, Any]], state: Mapping[str, Any]) -> Loop:
    bursts_ms = tuple(_frames(burst) for burst in told)
    one, machine = process.contender, process.facts["machine"]
    after = device.digest([str(path) for path in one.files or (one.path,)])
    return Loop(
        name=one.name,
        bursts_ms=bursts_ms,
        reasons=(
            *one.doubts({**process.facts, "sha256_after": after}),
            *environments.disturbances({**machine, **state}),
            *interruptions(told, threads=process.threads, cores=machine["cores"]),
            *doubts([*_whole(bursts_ms)]),
        ),
    )


def _whole(bursts_ms: Sequence[Frames]) -> Iterator[list[float]]:
    """Of each burst what its frames took, all stages together."""
    return ([sum(frame) for frame in burst] for burst in bursts_ms)


def _frames(burst: Mapping[str, Any]) -> Frames:
    return tuple(tuple(frame) for frame in burst["ms"])


def _seconds(burst: Mapping[str, Any]) -> float:
    """What a frame takes."""
    return max(float(np.median([sum(frame) for frame in burst["ms"]])) / 1e3, 1e-6)


def _spec_of(one: Application) -> dict[str, Any]:
    """What stands around the artifact, for the process."""
    return {
        "image": one.image,
        "categories": category_json.to_json(one.categories),
        "keep": list(one.keep),
        "gains": {name: np.asarray(value).tolist() for name, value in one.gains.items()},
    }


class _Process:
    """An application in a process of its own; ``facts`` are what it tells of itself."""

    COMMAND = (sys.executable, "-m", "edgecut.measure.application")

    def __init__(self, one: Application, threads: int, around: Mapping[str, Any]) -> None:
        self.contender, self.threads = one.contender, threads
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed at the end
        self._process = subprocess.Popen(
            self.COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=device_environment(),
        )
        self.process_id = self._process.pid
        self._spec = {"entry": one.contender.entry(threads), **around}

    def __enter__(self) -> Self:
        try:
            self.facts = self._ask(self._spec, OPEN_TIMEOUT_S)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()  # it holds nothing that must be saved
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._stderr):
            if pipe is not None:
                with suppress(OSError):  # what was not taken from a broken pipe
                    pipe.close()

    def burst(self, frames: int) -> dict[str, Any]:
        """What so many further frames took, and how the process fared."""
        answer = self._ask(frames, RUN_TIMEOUT_S)
        if "code" in answer:
            raise EdgecutError(answer["message"], code=answer["code"], hint=answer["hint"])
        return answer

    def _ask(self, question: Any, limit_s: float) -> dict[str, Any]:
        """The answer; a process that gives none in time is ended."""
        stdin, stdout, late = self._process.stdin, self._process.stdout, threading.Event()
        assert stdin is not None and stdout is not None

        def end() -> None:
            late.set()
            self._process.kill()

        watchdog = threading.Timer(limit_s, end)
        watchdog.daemon = True
        watchdog.start()
        try:
            stdin.write(json.dumps(question).encode() + b"\n")
            stdin.flush()
            answer = finite_json.loads(stdout.readline().decode("utf-8"))
            if not isinstance(answer, dict):
                raise ValueError(f"it answered {answer!r}")
            return answer
        except (OSError, ValueError) as error:
            what = f"did not answer within {limit_s:g} s" if late.is_set() else "ended"
            tail = stderr_tail(self._stderr)
            raise EdgecutError(
                f"the application around {self.contender.path.name} {what}"
                + (f"; it said:\n{tail}" if tail else ""),
                code="runtime-failed",
                hint="`edgecut verify` shows whether the artifact runs at all",
            ) from error
        finally:
            watchdog.cancel()
