"""``edgecut bench``."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecut.cli import camera, options, render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgecut.cost import Cost
    from edgecut.filming import Film
    from edgecut.measure.latency import Measurement, Ratio
    from edgecut.on_devices import Found
    from edgecut.roofline import Point
    from edgecut.timing import Timing

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
    type=click.FloatRange(min=0, min_open=True, max=3600),
    default=5.0,
    show_default=True,
    help="How long to run each artifact, at most.",
)
@click.option(
    "--precision",
    type=click.FloatRange(min=0.01, max=50),
    metavar="PERCENT",
    help="End as soon as medians and ratios are known so well.",
)
@click.option("--pin", type=Numbers(0), metavar="CORE,..", help="The only cores to use.")
@click.option(
    "--sustain", type=Seconds(), metavar="TIME", help="Then run each on its own: 10m, 1h."
)
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
    help="Measure what the runtimes reach here at best, once; shares of it follow.",
)
@click.option(
    "--device",
    "devices",
    multiple=True,
    metavar="NAME",
    help="Measure there: user@host or whatever ssh takes, a name in devices.toml, or openvino:NPU, "
    "openvino:GPU or openvino:CPU for this machine's.",
)
@click.option(
    "--wait", type=Seconds(), metavar="TIME", help="Wait for a device that another benchmark has."
)
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
    precision: float | None,
    pin: tuple[int, ...] | None,
    sustain: float | None,
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

    if devices and camera_loop:
        raise click.UsageError("--camera-loop runs on this machine alone: leave --device out")

    effort: dict[str, Any] = {
        "model": model,
        "duration_s": seconds,
        "precision": None if precision is None else precision / 100,
        "pin": pin,
        "sustain_s": sustain or 0.0,
        "against": against,
    }
    films: list[Film] = []
    with render.progress() as tell:
        if devices:
            found = on_devices.bench(
                Path(folder), devices, threads=threads, wait_s=wait or 0.0, tell=tell, **effort
            )
        else:
            here: dict[str, Any] = {"threads": threads or (1,), "tell": tell}
            if camera_loop:  # first, so that images that are not there are known at once
                films = filming.film(
                    Path(folder), frames=camera_loop, model=model, duration_s=seconds, **here
                )
            timings = timing.bench(Path(folder), under_roof=peak, **effort, **here)
            found = [on_devices.Found(device="", timings=tuple(timings))]
    tell_of(Path(folder), found, films, json_=json_)


def tell_of(folder: Path, found: list[Found], films: list[Film], *, json_: bool) -> None:
    """Keep and print what came of each device; the first error is the command's, at the end."""
    records = []
    for one in found:
        if one.error is not None:
            continue
        timings = list(one.timings)
        told = {"device": one.device, **as_json(timings), "camera_loop": camera.as_json(films)}
        record = {"schema": "edgecut.bench/1", **told}
        render.keep(folder, "bench", record, device=one.device)
        records.append(record)
        if not json_:
            show(timings, one.device)
    if films and not json_:
        camera.show(films)
    if json_ and records:
        # A list only where several devices were asked for, whichever of them answered.
        render.print_json(records[0] if len(found) == 1 else records)
    errors = [one.error for one in found if one.error is not None]
    for error in errors[1:]:
        render.print_error(error)
    if errors:
        raise errors[0]


def as_json(timings: list[Timing]) -> dict[str, Any]:
    """The measurements as plain values, raw samples included."""
    from edgecut.measure.environment import machine

    everything = [one for timing in timings for one in timing.measurements]
    return {
        "verdict": "INVALID" if any(one.reasons for one in everything) else "VALID",
        "environment": machine(everything[0].environment) if everything else {},
        "rows": [row for timing in timings for row in _rows(timing)],
        "ratios": [row for timing in timings for row in _ratios(timing)],
    }


def _rows(timing: Timing) -> Iterator[dict[str, Any]]:
    """One row for each measurement."""
    from edgecut.measure.environment import state

    points = {"full": timing.full_point, "cut": timing.cut_point}
    for network, cost, measured in _sides(timing):
        point = points.get(network)
        told = measured.to_json()
        del told["name"]
        yield {
            "artifact": timing.artifact,
            "network": network,
            "gmacs": None if cost is None else cost.gmacs,
            "achieved_gmacs_per_s": None if cost is None else rate(cost, measured),
            "share_of_peak": None if point is None else point.share_of_peak,
            "realisation": timing.realisation if network == "cut" else None,
            "roofline": None if point is None else _roofline(point, timing),
            **told,
            "runtime": f"{measured.runtime} {measured.version}",
            "state": state(measured.environment),
        }


def _roofline(point: Point, timing: Timing) -> dict[str, Any]:
    """Where it stands, and why the roof may be too low."""
    assert timing.roof is not None
    reasons = list(timing.roof.reasons)
    if point.share_of_peak > 1:
        reasons.append("it is faster than every probe was: the peak is not known")
    return {**point.to_json(), "reasons": reasons}


def _ratios(timing: Timing) -> Iterator[dict[str, Any]]:
    """Each ratio to the cut's latency."""
    promised = {"full": timing.macs_ratio}
    for found in (timing.speed_up, timing.against_ratio):
        if found is not None:
            macs = promised.get(found.of)
            yield {
                "artifact": timing.artifact,
                "threads": timing.cut.threads,
                **asdict(found),
                "macs_ratio": macs,
                "realisation": None if macs is None else found.ratio / macs,
            }


def rate(cost: Cost, measured: Measurement) -> float:
    """Achieved GMAC/s at the median latency."""
    return cost.gmacs / (measured.median_ms / 1e3)


def show(timings: list[Timing], device: str = "") -> None:
    """Print a line for each artifact, and what the MACs alone would promise."""
    if not timings:
        return
    first = timings[0]
    several = len({timing.cut.threads for timing in timings}) > 1
    beside = first.against is not None
    peaks = any(timing.cut_point for timing in timings)
    rows = [
        (
            timing.artifact,
            *([str(timing.cut.threads)] if several else []),
            f"{timing.full.median_ms:#.4g}",
            f"{timing.cut.median_ms:#.4g}",
            f"{timing.cut.p90_ms:#.4g}",
            f"{timing.cut.p99_ms:#.4g}",
            _memory(timing.cut),
            f"{rate(timing.cut_cost, timing.cut):.1f}",
            *([_share(timing.cut_point)] if peaks else []),
            _gain(timing.speed_up),
            f"{timing.realisation:.2f}",
            *([_gain(timing.against_ratio)] if timing.against_ratio else []),
        )
        for timing in timings
    ]
    columns = (
        "artifact",
        *([">threads"] if several else []),
        *(">full ms", ">cut ms", ">p90", ">p99", ">MB", ">GMAC/s"),
        *([">of peak"] if peaks else []),
        *("full / cut", ">realised"),
        *(["against / cut"] if beside else []),
    )
    threads = "" if several else f", threads: {first.cut.threads}"
    title = f"Median latency on {device or 'this machine'}, full and cut in turn{threads}"
    render.print_table(title, columns, rows)
    click.echo(
        f"full {first.full_cost.gmacs:.3f} GMACs, cut {first.cut_cost.gmacs:.3f}: MACs alone "
        f"promise {first.macs_ratio:.3f} x, and 'realised' is how much of that came true; MB and "
        "GMAC/s are the cut's"
    )
    for timing in timings:
        _show_sustained(timing)
    _show_doubts(timings, several, device)


def _show_sustained(timing: Timing) -> None:
    """What became of the latency when the artifact ran without a pause."""
    curve = timing.cut.sustained
    if curve:
        start, end = curve[0]["median_ns"] / 1e6, curve[-1]["median_ns"] / 1e6
        slowest = max(second["median_ns"] for second in curve) / 1e6
        click.echo(
            f"sustained {timing.artifact}: {start:#.4g} ms at first, {end:#.4g} ms after "
            f"{curve[-1]['s'] + 1:.0f} s, {slowest:#.4g} ms at worst"
        )


def _show_doubts(timings: list[Timing], several: bool, device: str) -> None:
    """Every reason not to believe a number; what all share is said once."""
    render.print_machine(timings[0].cut.environment, device)
    _show_low_roofs(timings)
    for timing in timings:
        # One of each kind: the reasons of the sides mostly differ in their numbers alone.
        reasons = {re.split(r"[\d:]", r)[0]: r for m in timing.measurements for r in m.reasons}
        if reasons:
            threads = f", threads: {timing.cut.threads}" if several else ""
            click.echo(f"INVALID {timing.artifact}{threads}: {'; '.join(reasons.values())}")


def _show_low_roofs(timings: list[Timing]) -> None:
    """Why shares of the peak may be too large."""
    reasons = dict.fromkeys(r for timing in timings if timing.roof for r in timing.roof.reasons)
    over = any(one and one.share_of_peak > 1 for timing in timings for one in _points(timing))
    if over or reasons:
        why = next(iter(reasons), "an artifact was faster than every probe")
        click.echo(f"The peaks may be higher than measured ({why}), and shares of them lower.")


def _points(timing: Timing) -> tuple[Point | None, ...]:
    return (timing.full_point, timing.cut_point)


def _gain(gain: Ratio) -> str:
    return f"{gain.ratio:.2f} x ({gain.low:.2f} to {gain.high:.2f})"


def _share(point: Point | None) -> str:
    return "-" if point is None else f"{point.share_of_peak:.0%}"


def _memory(measured: Measurement) -> str:
    return "-" if measured.memory_bytes is None else f"{measured.memory_bytes / 1e6:.1f}"


def _sides(timing: Timing) -> Iterator[tuple[str, Cost | None, Measurement]]:
    yield "full", timing.full_cost, timing.full
    yield "cut", timing.cut_cost, timing.cut
    if timing.against is not None:
        yield "against", None, timing.against
