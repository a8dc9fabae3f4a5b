"""``edgecut bench``."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecut.cli import camera, options, render, timings

if TYPE_CHECKING:
    from edgecut.errors import EdgecutError
    from edgecut.filming import Film
    from edgecut.on_devices import Outcome

UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600}
LONGEST_S = 24 * 3600


class Numbers(click.ParamType[tuple[int, ...]]):
    """Whole numbers, separated by commas."""

    name = "numbers"

    def __init__(self, smallest: int) -> None:
        self.smallest = smallest

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """The numbers of a text, each one once."""
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in value.split(",")]
        if not all(part.isdecimal() and int(part) >= self.smallest for part in parts):
            self.fail(f"'{value}' is not numbers from {self.smallest} up: 1 or 1,2,4", param, ctx)
        return tuple(dict.fromkeys(map(int, parts)))


class Seconds(click.ParamType[float]):
    """A time: 90, 90s, 10m or 1h."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", value.strip())
        seconds = float(found[1]) * UNITS_S[found[2]] if found else 0.0
        if not 0 < seconds <= LONGEST_S:
            self.fail(f"'{value}' is no time up to a day: 90s, 10m or 1h", param, ctx)
        return seconds


waiting = click.option(
    "--wait", type=Seconds(), metavar="TIME", help="Wait for a machine that another benchmark has."
)


@click.command(name="bench")
@click.argument("folder")
@click.option(
    "--threads",
    type=Numbers(1),
    metavar="N,..",
    help="CPU threads of the runtimes: a run for each number. Default: 1, or what devices.toml "
    "says.",
)
@click.option(
    "--seconds",
    type=options.FiniteRange(min=0, min_open=True, max=3600),
    default=5.0,
    show_default=True,
    help="How long to run each artifact, at most.",
)
@click.option(
    "--starts",
    type=click.IntRange(1, 100),
    default=3,
    show_default=True,
    help="How often to begin anew, in fresh processes; they share the time.",
)
@click.option(
    "--precision",
    type=options.FiniteRange(min=0.01, max=50),
    metavar="PERCENT",
    help="End as soon as medians and ratios are known so well.",
)
@click.option("--pin", type=Numbers(0), metavar="CORE,..", help="The only cores to use.")
@click.option(
    "--sustain", type=Seconds(), metavar="TIME", help="Then run each cut alone, no pause: 10m, 1h."
)
@click.option(
    "--single-stream",
    type=Seconds(),
    metavar="TIME",
    help="Then each alone, one run after the other: so long, and 1024 times.",
)
@click.option(
    "--offline", type=Seconds(), metavar="TIME", help="Then each on all cores: runs a second."
)
@click.option("--energy", type=Seconds(), metavar="TIME", help="Then each under a meter: joules.")
@options.text("--meter", "COMMAND", "It prints the joules so far. By default RAPL, or a sensor.")
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Another .tflite, .xml or .onnx, run in turn with each.",
)
@click.option(
    "--peak/--no-peak",
    default=True,
    show_default=True,
    help="Measure what the runtimes reach there at best, once; shares of it follow.",
)
@click.option(
    "--device",
    "devices",
    multiple=True,
    metavar="NAME",
    help="Measure there: user@host or whatever ssh takes, a name in devices.toml, or openvino:NPU, "
    "openvino:GPU or openvino:CPU for this machine's.",
)
@waiting
@options.text(
    "--camera-loop",
    "IMAGES",
    "Time whole frames, too: decode, prepare, run, find. A folder, parquet or COCO json.",
)
@options.replaced_model
@options.as_json
def command(
    folder: str,
    threads: tuple[int, ...] | None,
    seconds: float,
    starts: int,
    precision: float | None,
    pin: tuple[int, ...] | None,
    sustain: float | None,
    single_stream: float | None,
    offline: float | None,
    energy: float | None,
    meter: str | None,
    against: Path | None,
    peak: bool,
    devices: tuple[str, ...],
    wait: float | None,
    camera_loop: str | None,
    model: str | None,
    json_: bool,
) -> None:
    """Time every artifact in FOLDER, interleaved with the full network's like it.

    The latency is the runtime's own invocation alone, without preprocessing. It tells of the
    machine that it was taken on, this one unless --device names another, and not of the target
    that the artifact was built for. Whatever spoils it makes it INVALID, with the reason.
    """
    from edgecut import filming, on_devices, timing
    from edgecut.remote.alone import alone

    if meter and not energy:
        raise click.UsageError("--meter says nothing without --energy")
    if devices and camera_loop:
        raise click.UsageError("--camera-loop runs on this machine alone: leave --device out")

    effort: dict[str, Any] = {
        "model": model,
        "duration_s": seconds,
        "starts": starts,
        "precision": None if precision is None else precision / 100,
        "pin": pin,
        "sustain_s": sustain or 0.0,
        "scenarios": {
            "single_stream_s": single_stream,
            "offline_s": offline,
            "energy_s": energy,
            "meter": shlex.split(meter) if meter else None,
        },
        "against": against,
        "under_roof": peak,
    }
    films: list[Film] = []
    failed: list[EdgecutError] = []
    wait_s = wait or 0.0
    with render.progress(refresh_per_s=1) as tell:
        if devices:
            found = on_devices.bench(
                Path(folder), devices, threads=threads, wait_s=wait_s, tell=tell, **effort
            )
        else:
            here: dict[str, Any] = {"threads": threads or (1,), "tell": tell}
            with alone(wait_s, tell):
                if camera_loop:  # first, so that images that are not there are known at once
                    films = filming.film(
                        Path(folder),
                        frames=camera_loop,
                        model=model,
                        duration_s=seconds,
                        pin=pin,
                        **here,
                    )
                taken = timing.bench(Path(folder), failed=failed.append, **effort, **here)
            found = [on_devices.Outcome(device="", timings=tuple(taken), errors=tuple(failed))]
    if threads:
        _note_threads(devices)
    if energy:
        _note_energy(found)
    tell_of(Path(folder), found, films, json_=json_)


def _note_threads(devices: tuple[str, ...]) -> None:
    from edgecut.on_devices import has_threads

    for device in devices:
        if not has_threads(device):
            click.echo(f"note: --threads says nothing to {device}: it has its own", err=True)


def _note_energy(found: list[Outcome]) -> None:
    for one in found:
        measured = [m for timing in one.timings for m in timing.measurements]
        if measured and not any(m.energy or m.energy_fault for m in measured):
            click.echo(
                f"note: energy was not measured on {one.device or 'this machine'}: no readable "
                "RAPL counter, no INA sensor; --meter COMMAND takes another",
                err=True,
            )


def tell_of(folder: Path, found: list[Outcome], films: list[Film], *, json_: bool) -> None:
    """Keep and print what came of each device; the first error is the command's, at the end."""
    records = []
    for one in found:
        if not one.timings:
            continue
        record = {
            "schema": "edgecut.bench/1",
            "device": one.device,
            **timings.as_json(one.timings, films),
        }
        render.keep(folder, "bench", record, device=one.device)
        records.append(record)
        if not json_:
            timings.show(one.timings, one.device)
    if films and not json_:
        camera.show(films)
    if json_ and records:
        # A list only where several devices were asked for, whichever of them answered.
        render.print_json(records[0] if len(found) == 1 else records)
    errors = [error for one in found for error in one.errors]
    for error in errors[1:]:
        render.print_error(error)
    if errors:
        raise errors[0]
