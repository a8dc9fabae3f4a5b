"""How the camera loop of ``edgecut bench`` looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from edgecut.cli import render

if TYPE_CHECKING:
    from edgecut.filming import Film
    from edgecut.measure.camera import Loop


def as_json(films: Sequence[Film]) -> list[dict[str, Any]]:
    """A row for each artifact, network and number of threads; raw frames included."""
    return [
        {
            "artifact": film.artifact,
            "network": loop.name,
            "threads": film.threads,
            "verdict": "INVALID" if loop.reasons else "VALID",
            "reasons": list(loop.reasons),
            "frames": loop.frames,
            "frame_ms": loop.frame_ms,
            "stages_ms": loop.stages_ms,
            "speed_up": asdict(film.speed_up) if loop is film.cut else None,
            "bursts_ms": [[list(frame) for frame in burst] for burst in loop.bursts_ms],
        }
        for film in films
        for loop in (film.full, film.cut)
    ]


def show(films: Sequence[Film]) -> None:
    """Print what a frame takes around each artifact, stage by stage."""
    rows = [
        (
            film.artifact,
            str(film.threads),
            loop.name,
            *(f"{ms:#.3g}" for ms in loop.stages_ms.values()),
            f"{loop.frame_ms:#.4g}",
            f"{1e3 / loop.frame_ms:.1f}",
            _gain(film, loop),
        )
        for film in films
        for loop in (film.full, film.cut)
    ]
    columns = ("artifact", ">threads", "network", ">decode ms", ">prepare", ">infer", ">finish")
    render.print_table(
        "Camera loop: from an encoded image to an answer, full and cut in turn",
        (*columns, ">frame ms", ">frames/s", "full / cut"),
        rows,
    )
    for film in films:
        for loop in (film.full, film.cut):
            if loop.reasons:
                who = f"{film.artifact} ({loop.name}), threads: {film.threads}"
                click.echo(f"INVALID camera loop of {who}: {'; '.join(loop.reasons)}")


def _gain(film: Film, loop: Loop) -> str:
    gain = film.speed_up
    return f"{gain.ratio:.2f} x ({gain.low:.2f} to {gain.high:.2f})" if loop is film.cut else ""
