"""The application of the camera loop, in a process of its own: from an encoded image to an answer.

It reads a spec as a line of JSON and tells what it runs; then, for every line with a number of
frames, what those took.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from edgecut import category_json, device
from edgecut.detections import detect
from edgecut.errors import EdgecutError
from edgecut.recipe import KEY as RECIPE
from edgecut.recipe import embedded, prepare
from edgecut.samples import Entry, decoded


class _Application:
    """An artifact with what stands around it."""

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
        if self.recipe.detections is not None:
            rules = self.recipe.detections
            detect(outputs, self.categories, rules, self.hw, geometry, keep=self.keep)
        elif self.categories.outputs:  # without, the values of an output are the answer
            entry = self.categories.outputs[0]
            slots = [entry.slots.index(place) for place in self.keep if place in entry.slots]
            int(np.argmax(outputs[entry.output].ravel()[slots]))
        marks.append(time.perf_counter_ns())
        return [(after - before) / 1e6 for before, after in itertools.pairwise(marks)]

    def burst(self, frames: int) -> dict[str, Any]:
        """Frames one after the other, how the process fared, and the clock at their end."""
        ms, how = device.fared(lambda: [self.frame() for _ in range(frames)])
        return {"ms": ms, **how, "clocks": device.clocks()}


def main() -> None:
    """Answer until the input ends."""
    channel = device.take_stdout()
    spec = json.loads(sys.stdin.readline())
    device.pin(spec["pin"])
    sha256 = device.digest(spec["entry"]["files"])
    application = _Application(spec)
    runtime = application.loaded.runtime
    told = {"sha256": sha256, "runtime": runtime.runtime, "version": runtime.version}
    device.send(channel, {**told, "machine": device.describe_machine()})
    for line in sys.stdin:
        try:
            device.send(channel, application.burst(int(line)))
        except EdgecutError as error:
            fault = {"message": error.message, "code": error.code, "hint": error.hint}
            device.send(channel, fault)


if __name__ == "__main__":
    main()
