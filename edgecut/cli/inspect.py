"""``edgecut inspect``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecut.cli import options, render

if TYPE_CHECKING:
    from edgecut.categories import CategoryMap
    from edgecut.network import Network
    from edgecut.source import Source
    from edgecut.why import Step


@click.command(name="inspect")
@options.model
@click.option("--keep", metavar="NAMES", help=f"Show what keeping these would cost, {options.KEEP}")
@click.option("--each", is_flag=True, help="Show what keeping each single category would cost.")
@options.text("--why", "NODE", "With --keep: show why this node or tensor stays.")
@options.text("--html", "FILE", "With --keep: draw every node, kept and cut, on one page.")
@options.scores
@options.attention
@options.as_json
def command(
    keep: str | None,
    each: bool,
    why: str | None,
    html: str | None,
    scores: str,
    json_: bool,
    **model: Any,
) -> None:
    """Show MODEL's inputs and outputs, which slots belong to which category, and the cost.

    MODEL is an .onnx, .keras or .pt2 file, or MODULE:FACTORY of a PyTorch model.
    """
    if why is not None or html is not None:
        told = "--why" if why is not None else "--html"
        if keep is None or each or (why and html):
            raise click.UsageError(f"{told} tells of one keep-list, and alone: give --keep with it")
        source, names = options.source_of(**model), options.names_of(keep)
        if why is not None:
            _tell_why(source, names, why, scores, json_)
        else:
            _draw(source, names, Path(str(html)), scores, json_)
        return
    from edgecut import cutout
    from edgecut.category_json import to_json
    from edgecut.cost import cost
    from edgecut.source import load

    network = load(options.source_of(**model))
    full = cost(network)
    lists = [options.names_of(keep)] if keep is not None else []
    if each:
        lists += [[name] for name in cutout.categories_of(network).names]
    cuts = [cutout.cut(network, names, scores=scores)[1] for names in lists]
    if json_:
        render.print_json(
            {
                "schema": "edgecut.inspect/1",
                "name": network.name,
                "inputs": [asdict(spec) for spec in network.inputs],
                "outputs": [asdict(spec) for spec in network.outputs],
                "cost": asdict(full),
                "categories": to_json(network.categories) if network.categories else None,
                "cuts": [
                    {
                        "keep": list(saved.keep),
                        "cost": asdict(saved.cut),
                        "refusals": [asdict(refusal) for refusal in saved.refusals],
                    }
                    for saved in cuts
                ],
            }
        )
        return
    _show_network(network)
    rows = [("everything", render.count(full.parameters), "", render.count(full.macs), "", "")]
    rows += [
        (
            ", ".join(saved.keep),
            render.count(saved.cut.parameters),
            render.share(saved.cut.parameters, full.parameters),
            render.count(saved.cut.macs),
            render.share(saved.cut.macs, full.macs),
            ", ".join(f"kept whole before {r.op_type} '{r.node}'" for r in saved.refusals),
        )
        for saved in cuts
    ]
    columns = ("keep", ">parameters", ">change", ">MACs", ">change", "")
    click.echo()
    render.print_table("Cost", columns, rows)
    for node in full.uncounted:
        click.echo(f"not counted: {node}, whose shapes are not known")


def _tell_why(source: Source, keep: list[str], name: str, scores: str, json_: bool) -> None:
    from edgecut.source import load
    from edgecut.why import why

    told = why(load(source), keep, name, scores=scores)
    if json_:
        render.print_json({"schema": "edgecut.inspect/1", "why": asdict(told)})
        return
    if not told.path:
        click.echo(f"{told.op_type} '{told.node}' goes: nothing that is kept is made of it")
        return
    rows = [(f"{s.op_type} '{s.node}'", s.tensor, _needed(s), s.stopped or "") for s in told.path]
    columns = ("node", "gives", "of which is needed", "stops the cut")
    click.echo(f"{told.op_type} '{told.node}' stays for {', '.join(told.needed_by)}")
    render.print_table(f"Its way to the output '{told.output}'", columns, rows)


def _draw(source: Source, keep: list[str], path: Path, scores: str, json_: bool) -> None:
    from edgecut.cutout import categories_of
    from edgecut.fates import fates
    from edgecut.report import graph
    from edgecut.saving import save
    from edgecut.source import load

    network = load(source)
    found = fates(network, keep, scores=scores)
    names = categories_of(network).names
    save(path, graph.page(network.name, keep, found, names).encode())
    if json_:
        nodes = [{**asdict(fate), "kind": fate.kind} for fate in found]
        render.print_json({"schema": "edgecut.inspect/1", "nodes": nodes})
    else:
        click.echo(f"wrote {path}")


def _needed(step: Step) -> str:
    """What is needed of a tensor: ``all``, or the axes of which a part is enough."""
    parts = [
        f"{some} of {size} on axis {axis}"
        for axis, (some, size) in enumerate(step.needed)
        if some < size
    ]
    return ", ".join(parts) or "all"


def _show_network(network: Network) -> None:
    rows = [
        (kind, spec.name, "x".join(map(str, spec.shape)), spec.dtype)
        for kind, specs in (("input", network.inputs), ("output", network.outputs))
        for spec in specs
    ]
    render.print_table(network.name, ("", "tensor", "shape", "type"), rows)
    if network.categories is None:
        click.echo("\nno categories known: give --labels (coco80, imagenet1k, ... or a file)")
        return
    _show_categories(network.categories)


def _show_categories(categories: CategoryMap) -> None:
    click.echo(f"\n{len(categories.names)} categories, from {categories.source}")
    for entry in categories.outputs:
        shared = f", {len(entry.shared)} shared" if entry.shared else ""
        click.echo(
            f"  output '{entry.output}', axis {entry.axis}: {len(entry.slots)} slots{shared} "
            f"({entry.reason})"
        )
    for coded in categories.coded:
        click.echo(f"  values of output '{coded.output}': {len(coded.values)} ({coded.reason})")
    rows = [*(e.slots for e in categories.outputs), *(e.values for e in categories.coded)]
    first = [next(row.index(i) for row in rows if i in row) for i in range(len(categories.names))]
    width = len(str(max(map(len, rows))))
    named = [f"{i:>{width}} {name}" for i, name in zip(first, categories.names, strict=True)]
    column = max(map(len, named)) + 2
    across = max(1, 98 // column)
    for start in range(0, len(named), across):
        line = "".join(name.ljust(column) for name in named[start : start + across])
        click.echo(f"  {line}".rstrip())
