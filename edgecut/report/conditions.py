"""The tables of a report about what surrounded the latencies: peaks, clock, heat and load."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from edgecut.report.markup import given, moment, named, table, verdict_of

Row = Mapping[str, Any]
WHO = ("artifact", "network", ">threads")
_THROTTLES = {"quota_throttled": "quota", "heat_throttled": "heat"}


def who(row: Row) -> tuple[str, str, str]:
    """The first cells of a row, for the columns ``WHO``."""
    return (row["artifact"], named(row["network"]), str(row["threads"]))


def peaks(rows: Sequence[Row]) -> str:
    """What limits each artifact, measured and as its target's data sheet has it."""
    under = [(row, row["roofline"]) for row in rows if row["roofline"]]
    if not under:
        return ""
    several = len({row["threads"] for row, _ in under}) > 1
    shown = table(
        "Peaks that probes reached here, beside what is said of the artifact's target, all cores",
        (
            *(*WHO, ">peak GMAC/s", ">data sheet", ">memory GB/s", ">MACs a byte", "bound by"),
            *(">attainable", ">of it"),
        ),
        [
            (
                *who(row),
                f"{roof['peak_gmacs_per_s']:.3g}",
                given((roof["datasheet"] or {}).get("gmacs_per_s"), "{:.3g}"),
                f"{roof['bandwidth_gb_per_s']:.3g}",
                f"{roof['intensity_macs_per_byte']:.3g}",
                roof["bound"],
                f"{roof['attainable_gmacs_per_s']:.3g}",
                f"{roof['share_of_attainable']:.0%}",
            )
            for row, roof in under
        ],
        dropped=() if several else (WHO.index(">threads"),),
    )
    return shown + _sources([roof["datasheet"] for _, roof in under if roof["datasheet"]])


def _sources(sheets: Sequence[Row]) -> str:
    """Where the figures of data sheets are from, each once."""
    told = dict.fromkeys(
        f"{one['target']}, {one['scheme']}: {one['gmacs_per_s']:.3g} GMAC/s: {one['source']}"
        for one in sheets
    )
    items = "".join(f"<li>{escape(text)}</li>" for text in told)
    return f'<p class="note">Data sheets:</p><ul class="note">{items}</ul>' if items else ""


def states(rows: Sequence[Row]) -> str:
    """The machine before, during and after each measurement; what ran in turn has one line."""
    together: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        together.setdefault((row["artifact"], repr(row["state"])), []).append(row)
    return table(
        "Before, during and after each measurement",
        (
            *(
                "artifact",
                ">threads",
                "begun",
                ">clock MHz",
                ">temperature \N{DEGREE SIGN}C",
            ),
            *(">load", "held back"),
        ),
        [_state(group) for group in together.values()],
    )


def _state(group: Sequence[Row]) -> tuple[str, ...]:
    """What was measured in turn, and the machine then."""
    state = group[0]["state"]
    before, after = state["before"], state["after"]
    during = [before, *state["during"], after]
    return (
        group[0]["artifact"],
        ", ".join(dict.fromkeys(str(row["threads"]) for row in group)),
        moment(before["time"]) if "time" in before else "-",
        _course(during, "frequency_mhz", "{:.0f}"),
        _course(during, "temperature_c", "{:.0f}"),
        _course((before, after), "load_average", "{:.1f}"),
        _held_back(before, after),
    )


def _course(moments: Iterable[Row], name: str, form: str) -> str:
    """The first value and the last, and the extremes between where they go beyond; or a dash."""
    values = [value for one in moments if (value := _number(one, name)) is not None]
    if not values:
        return "-"
    first, last, low, high = map(form.format, (values[0], values[-1], min(values), max(values)))
    beyond = "" if {low, high} == {first, last} else f" ({low} to {high})"
    return (first if first == last else f"{first} to {last}") + beyond


def _held_back(before: Row, after: Row) -> str:
    """How often a quota or heat held the processor back meanwhile, and the firmware's word."""
    told, known = [], False
    for name, what in _THROTTLES.items():
        if (count := _number(after, name)) is not None:
            known = True
            times = count - (_number(before, name) or 0)
            told += [f"{what}: {times:.0f} times"] if times else []
    if (bits := _number(after, "firmware_throttled")) is not None:
        told.append(f"get_throttled {int(bits):#x}")
    return ", ".join(told) or ("no" if known else "-")


def _number(told: Row, name: str) -> float | None:
    """What a machine told of itself; devices of many kinds tell in their own ways."""
    value = told.get(name)
    return value if isinstance(value, int | float) else None


def sustained(rows: Sequence[Row]) -> str:
    """How each sustained run began and ended, with the clock and the temperature then."""
    return table(
        "Sustained run, from its first second to its last",
        (
            *(*WHO, ">seconds", ">median ms", ">slowest ms", ">clock MHz"),
            *(">temperature \N{DEGREE SIGN}C", "verdict"),
        ),
        [
            (
                *who(row),
                f"{row['sustained'][-1]['s'] + 1:.0f}",
                "{:#.4g} to {:#.4g}".format(
                    *(row["sustained"][place]["median_ns"] / 1e6 for place in (0, -1))
                ),
                f"{max(second['median_ns'] for second in row['sustained']) / 1e6:#.4g}",
                _course(row["sustained"], "frequency_mhz", "{:.0f}"),
                _course(row["sustained"], "temperature_c", "{:.0f}"),
                verdict_of(word) if (word := row.get("sustained_verdict")) else "-",
            )
            for row in rows
        ],
    )
