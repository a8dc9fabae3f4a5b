"""The camera loop of a tiny network: what it takes, and what makes it not to be believed."""

from __future__ import annotations

import io
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecut.categories import CategoryMap, OutputSlots
from edgecut.errors import EdgecutError
from edgecut.measure import camera
from edgecut.measure.camera import STAGES, Application, Loop, loops, ratio
from edgecut.measure.contender import Contender
from edgecut.network import digest_of
from edgecut.recipe import Recipe
from tests import tiny_artifacts as tiny

RECIPE = Recipe(
    name="tiny",
    resize="stretch",
    interpolation="nearest",
    colour="RGB",
    scale=1.0,
    mean=(0.0, 0.0, 0.0),
    std=(1.0, 1.0, 1.0),
)
CATEGORIES = CategoryMap(
    names=("a", "b"),
    outputs=(OutputSlots(output="y", axis=1, slots=(0, 1, None), reason="made up"),),
    source="made up",
)


def application(folder: Path, **about: Any) -> Application:
    inputs, outputs = tiny.NCHW_PORTS
    one = Contender(
        name="full", path=tiny.write_onnx(folder), format="onnx", inputs=inputs, outputs=outputs
    )
    return Application(
        contender=replace(one, **about), image="x", categories=CATEGORIES, keep=(0, 1), gains={}
    )


def frame() -> bytes:
    from PIL import Image

    image, buffer = Image.fromarray(np.zeros((8, 8, 3), dtype=np.uint8)), io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def filmed(one: Application, **how: Any) -> Loop:
    (found,) = loops([one], [frame()], RECIPE, duration_s=0.1, **how)
    return found


def test_a_frame_has_its_stages(tmp_path: Path) -> None:
    one = application(tmp_path)
    built = digest_of(one.contender.path.read_bytes())
    good = replace(one, contender=replace(one.contender, digest=built))
    found = filmed(good)
    assert tuple(found.stages_ms) == STAGES and min(found.stages_ms.values()) > 0
    assert found.frames >= camera.MIN_BURSTS and found.frame_ms > 0
    assert not any("built" in reason or "changed" in reason for reason in found.reasons)


@pytest.mark.parametrize(
    ("about", "threads", "reason"),
    [
        ({"digest": "0" * 64}, 1, "not the one that was built"),
        ({"verified_on": {"onnxruntime": "0.1"}}, 1, "and verified on 0.1"),
        ({}, 64, "64 threads on"),
    ],
)
def test_a_loop_of_something_else_is_invalid(
    tmp_path: Path, about: dict[str, Any], threads: int, reason: str
) -> None:
    found = filmed(application(tmp_path, **about), threads=threads)
    assert any(reason in told for told in found.reasons)
    assert ratio(found, found).verdict == "INVALID"


def test_too_few_frames_are_invalid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera, "BURST_S", 0.0)
    assert "only 5 samples" in " ".join(filmed(application(tmp_path)).reasons)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs Linux")
def test_the_loop_is_pinned_too(tmp_path: Path) -> None:
    core = min(os.sched_getaffinity(0))
    found = filmed(application(tmp_path), threads=2, pin=[core])
    assert "2 threads on 1 cores" in found.reasons
    with pytest.raises(EdgecutError, match="cannot pin to the cores 4711"):
        filmed(application(tmp_path), pin=[4711])


@pytest.mark.parametrize("when", ["at once", "later"])
def test_an_application_that_hangs_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    answer = "" if when == "at once" else "input(); print('{}', flush=True); "
    program = f"{answer}import time; time.sleep(60)"
    monkeypatch.setattr(camera._Process, "COMMAND", (sys.executable, "-c", program))
    monkeypatch.setattr(camera, "OPEN_TIMEOUT_S", 2.0)
    monkeypatch.setattr(camera, "RUN_TIMEOUT_S", 2.0)
    started = time.monotonic()
    with pytest.raises(EdgecutError, match="did not answer within 2 s") as caught:
        filmed(application(tmp_path))
    assert caught.value.code == "runtime-failed" and time.monotonic() - started < 50


def test_an_application_that_ends_tells_why(tmp_path: Path) -> None:
    one = application(tmp_path)
    one.contender.path.write_bytes(b"no model")
    with pytest.raises(EdgecutError, match="ended; it said"):
        filmed(one)
