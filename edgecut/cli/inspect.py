"""``edgecut inspect``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from edgecut.cli import options, render

if TYPE_CHECKING:
    from edgecut.categories import CategoryMap
    from edgecut.network import Network


@click.command(name="inspect")
@options.model
@click.option("--keep", metavar="NAMES", help=f"Show what keeping these would cost, {options.KEEP}")
@click.option("--each", is_flag=True, help="Show what keeping each single category would cost.")
@options.scores
@options.attention
@options.as_json
def command(keep: str | None, each: bool, scores: str, json_: bool, **model: Any) -> None:
    """Show MODEL's inputs and outputs, which slots belong to which category, and the cost.

    MODEL is an .onnx or .pt2 file, or MODULE:FACTORY of a PyTorch model.
    """
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
    first = categories.outputs[0]
    width = len(str(len(first.slots)))
    named = [f"{first.slots.index(i):>{width}} {name}" for i, name in enumerate(categories.names)]
    column = max(map(len, named)) + 2
    across = max(1, 98 // column)
    for start in range(0, len(named), across):
        line = "".join(name.ljust(column) for name in named[start : start + across])
        click.echo(f"  {line}".rstrip())
