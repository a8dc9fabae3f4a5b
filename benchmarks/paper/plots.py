"""The study, drawn: one PNG for each question, one panel for each subject."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.paper.comparisons import by_subject
from benchmarks.paper.deployed import KINDS
from benchmarks.paper.signals import OURS
from benchmarks.paper.summary import MACS, PARAMETERS, REALISED

Row = Mapping[str, Any]
Draw = Callable[[Any, list[Row]], None]
KIND_COLOURS = ("tab:blue", "tab:cyan", "tab:orange", "tab:red")
COLOURS = {"leaf": "tab:blue", "parent": "tab:orange", "list": "tab:green"}


def write(results: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Draw what there are rows for; gives what each plot shows -> the name of its file."""
    written = {}
    for stem, (part, title, draw) in PLOTS.items():
        if results[part]:
            _panels(results[part], draw).savefig(
                folder / f"paper-{stem}.png", dpi=100, metadata={"Software": None}
            )
            written[title] = f"paper-{stem}.png"
    return written


def _panels(rows: Sequence[Row], draw: Draw) -> Any:
    """A figure with a row of panels for each data set, a panel for each base."""
    from matplotlib.figure import Figure

    subjects = by_subject(rows)
    data = list(dict.fromkeys(name for name, _ in subjects))
    bases = list(dict.fromkeys(base for _, base in subjects))
    figure = Figure(figsize=(4.2 * len(bases), 3.6 * len(data)), layout="constrained")
    axes = figure.subplots(len(data), len(bases), squeeze=False)
    for name, base in product(data, bases):
        panel = axes[data.index(name)][bases.index(base)]
        panel.set_title(f"{name}, {base}", fontsize=10)
        if (name, base) in subjects:
            draw(panel, subjects[name, base])
            panel.grid(alpha=0.3)
        else:
            panel.set_axis_off()
            panel.text(0.5, 0.5, "not measured", ha="center", va="center")
    axes[0][0].legend(fontsize=8)
    return figure


def _costs(axes: Any, rows: list[Row]) -> None:
    for kind, own in _kinds(rows):
        x, y = ([100 * row[c] for row in own] for c in ("macs_excluded", "parameters_excluded"))
        axes.scatter(x, y, s=14, alpha=0.7, color=COLOURS[kind], label=kind)
    axes.axvline(100 * MACS, color="gray", lw=0.8, ls=":")
    axes.axhline(100 * PARAMETERS, color="gray", lw=0.8, ls=":")
    axes.set(xlabel="MACs excluded (%)", ylabel="parameters excluded (%)", xlim=(0, 100))
    axes.set_ylim(0, 102)


def _accuracy(axes: Any, rows: list[Row]) -> None:
    for what, colour in (("full", "tab:blue"), ("dense", "tab:gray"), ("specialist", "tab:red")):
        own = [row for row in rows if row[f"top1_{what}"] is not None]
        x, y = [len(row["keep"]) for row in own], [100 * row[f"top1_{what}"] for row in own]
        label = {"full": "nested, cut"}.get(what, what)
        axes.scatter(x, y, s=18, alpha=0.8, color=colour, label=label)
    axes.set(xlabel="categories kept", ylabel="top-1 among them (%)")


def _false_positives(axes: Any, rows: list[Row]) -> None:
    for kind, own in _kinds(rows):
        own = [row for row in own if None not in (row["fpr_full"], row["fpr_dense"])]
        x, y = ([100 * row[c] for row in own] for c in ("fpr_dense", "fpr_full"))
        axes.scatter(x, y, s=14, alpha=0.7, color=COLOURS[kind], label=kind)
    axes.plot([0, 100], [0, 100], color="gray", lw=0.8, ls=":")
    axes.set(xlabel="dense: dropped images that pass (%)", ylabel="nested, cut (%)")


def _latency(axes: Any, rows: list[Row]) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    for kind, colour in zip(KINDS, KIND_COLOURS, strict=True):
        own = [row for row in rows if (row["runtime"], row["scheme"]) == kind]
        for verdict, marker, alpha in (("VALID", "o", 0.7), ("INVALID", "x", 0.25)):
            some = [row for row in own if row["verdict"] == verdict]
            x, y = ([row[c] for row in some] for c in ("speedup_macs", "speedup"))
            label = " ".join(kind) if verdict == "VALID" else None
            axes.scatter(x, y, s=14, alpha=alpha, color=colour, marker=marker, label=label)
    most = max(row["speedup_macs"] for row in rows)
    axes.plot([1, most], [1, most], color="gray", lw=0.8, ls=":")
    axes.plot([1, most], [REALISED, REALISED * most], color="gray", lw=0.8, ls="--")
    axes.set(xlabel="MACs, full / cut", ylabel="latency, full / cut", xscale="log", yscale="log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())


def _attention(axes: Any, rows: list[Row]) -> None:
    own = sorted(
        (row for row in rows if row["signal"] == OURS and row["kind"] == "leaf"),
        key=lambda row: row["gain"],
    )
    told = {
        "recall_change": ("recall of the target", "tab:blue"),
        "accuracy_change": ("accuracy over all", "tab:gray"),
        "control_change": ("recall, the gain is another's", "tab:red"),
    }
    for column, (label, colour) in told.items():
        known = [row for row in own if row[column] is not None]
        gains = [row["gain"] for row in known]
        part = {k: [100 * row[column][k] for row in known] for k in ("mean", "low", "high")}
        axes.plot(gains, part["mean"], ".-", color=colour, label=label)
        axes.fill_between(gains, part["low"], part["high"], color=colour, alpha=0.2, lw=0)
    axes.axvline(1, color="gray", lw=0.8, ls=":")
    axes.set(xlabel="gain", ylabel="change (points)")


def _signals(axes: Any, rows: list[Row]) -> None:
    for signal in dict.fromkeys(row["signal"] for row in rows):
        own = sorted(
            (row for row in rows if row["signal"] == signal and row["kind"] == "leaf"),
            key=lambda row: row["gain"],
        )
        x, y = ([100 * r[c]["mean"] for r in own] for c in ("accuracy_change", "recall_change"))
        axes.plot(x, y, ".-", alpha=0.7, label=signal)
    axes.set(xlabel="accuracy over all, change (points)", ylabel="recall, change (points)")


def _kinds(rows: list[Row]) -> Iterator[tuple[str, list[Row]]]:
    for kind in COLOURS:
        yield kind, [row for row in rows if row["kind"] == kind]


PLOTS: dict[str, tuple[str, str, Draw]] = {
    "costs": ("rows", "What each case excludes; dotted: what was asked of one", _costs),
    "accuracy": ("rows", "Top-1 among the kept categories, by keep-list", _accuracy),
    "fpr": ("rows", "Images of dropped categories that pass for kept ones", _false_positives),
    "latency": (
        "latency",
        "Latency saved over MACs saved; dashed: realisation 0.8, faint crosses: not valid",
        _latency,
    ),
    "attention": ("attention", "A gain for one leaf: recall, accuracy, control", _attention),
    "signals": ("attention", "Where the signal enters: recall against accuracy", _signals),
}
