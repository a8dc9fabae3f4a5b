"""The zoo as a table of Markdown: a line for each model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
COLUMNS = (
    *("model", "what", "nodes", "exact", "largest error", "parameters excluded", "MACs excluded"),
    *("missed", "idle", "kept whole before"),
)
KINDS = ("missed", "idle")  # of channels that no input shows, see leftovers.py


def lines(results: Mapping[str, Any]) -> list[list[str]]:
    """The cells of each line, in the order of ``COLUMNS``; shares are those of the best cut."""
    return [
        _line(model, [row for row in results["rows"] if row["model"] == model["model"]])
        for model in results["models"]
    ]


def summary(results: Mapping[str, Any]) -> str:
    """What all models together say."""
    models = results["models"]
    exact = sum(model["exact"] == model["keep_lists"] for model in models)
    searched = [model for model in models if model["searched"]]
    clean = sum(not model["missed"] for model in searched)
    lists = sum(model["keep_lists"] for model in models)
    return (
        f"{len(models)} models, {lists} cuts. Every cut exact: {exact} models. Nothing removable "
        f"left: {clean} of {len(searched)} that were searched."
    )


def _line(model: Row, rows: Sequence[Row]) -> list[str]:
    def best(column: str) -> str:
        return f"{100 * max(row[column] for row in rows):.1f} %"

    return [
        model["model"],
        f"{model['family']}, {model['source']}",
        str(model["nodes"]),
        f"{model['exact']} of {model['keep_lists']}",
        f"{max(row['max_relative_error'] for row in rows):.0e}",
        best("parameters_excluded"),
        best("macs_excluded"),
        *(str(len(model[kind])) if model["searched"] else "not searched" for kind in KINDS),
        "; ".join(dict.fromkeys(reason for row in rows for reason in row["refusals"])),
    ]
