"""``edgecut tree``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecut import shipped
from edgecut.cli import options, render

if TYPE_CHECKING:
    from edgecut.branch_cost import TreeCost
    from edgecut.cost import Cost
    from edgecut.network import Network
    from edgecut.taxonomy import Taxonomy

MOST_COSTED = 300
MOST_ALIASES = 3
MAX_DEPTH = 32


@click.command(name="tree")
@options.model
@click.option("--keep", metavar="NAMES", help=f"Show only what this keeps, {options.KEEP}")
@click.option("--depth", type=click.IntRange(1, MAX_DEPTH), help="Levels to show, from the top.")
@options.as_json
def command(keep: str | None, depth: int | None, json_: bool, **model: Any) -> None:
    """Show the tree of MODEL's categories, and what each branch of it costs.

    MODEL is an .onnx, .keras or .pt2 file, the folder of a training run, MODULE:FACTORY of a
    PyTorch model, or, for a tree without costs, a label set: coco80, imagenet1k, or a .toml or
    .txt file. Costs are found by cutting. Where a network has more than 300 nodes, the deepest
    levels are left out, unless --depth asks for them.
    """
    network, tree, name = _read(model)
    kept = _kept(network, tree, name, keep)
    asked = tree.restricted(map(tree.names.index, kept)) if kept else tree
    shown = _to_depth(asked, depth, MOST_COSTED if network else None)
    costs = _costs(network, shown) if network else None
    together = _together(network, kept) if network and kept else None
    if json_:
        render.print_json(as_json(name, network, shown, kept, costs, together))
        return
    parents = len(asked.names) - len(asked.leaves)
    title = f"{name}: {len(asked.leaves)} categories under {parents} parents"
    _show(title, asked, shown, kept, costs)
    if costs is not None:
        _show_totals(costs, together)
    if len(shown.names) < len(asked.names):
        click.echo("\ndeeper levels are left out: --depth shows them")


def as_json(
    name: str,
    network: Network | None,
    tree: Taxonomy,
    kept: tuple[str, ...],
    costs: TreeCost | None,
    together: dict[str, int] | None,
) -> dict[str, Any]:
    """A tree with its costs as plain values."""
    from dataclasses import asdict

    from edgecut.cutout import categories_of

    scored = set(categories_of(network).names) if network else set()
    return {
        "schema": "edgecut.tree/1",
        "name": name,
        "cost": asdict(costs.full) if costs else None,
        "stem": asdict(costs.stem) if costs and costs.stem else None,
        "kept": {"names": list(kept), "cost": together} if kept else None,
        "nodes": [
            {
                "name": own,
                "parent": None if parent is None else tree.names[parent],
                "aliases": _aliases(tree)[own],
                "score": own in scored if network else None,
                "kept": own in kept if kept else None,
                "needs": _cost(costs.nodes[own].whole) if costs else None,
                "adds": _cost(costs.nodes[own]) if costs else None,
                "share": _cost_share(costs, own) if costs else None,
            }
            for own, parent in zip(tree.names, tree.parents, strict=True)
        ],
    }


def _read(model: dict[str, Any]) -> tuple[Network | None, Taxonomy, str]:
    """The network, if it is one, its tree, and what it is called."""
    name = model["model"]
    others = [value for key, value in model.items() if key != "model"]
    if _is_label_set(name) and not any(others):
        from edgecut.category_set import read_labels

        return None, read_labels(name).taxonomy, Path(name).name
    from edgecut.cutout import categories_of
    from edgecut.source import load

    network = load(options.source_of(**model))
    return network, categories_of(network).tree, network.name


def _is_label_set(name: str) -> bool:
    from edgecut.calibration import entries

    if name in shipped.networks():
        return False
    path = Path(name)
    bare = path.suffix == "" and ":" not in name and not path.exists()
    return bare or path.suffix in (".toml", ".txt") or name in entries("categories")


def _kept(network: Network | None, tree: Taxonomy, name: str, keep: str | None) -> tuple[str, ...]:
    """Names of what a keep-list keeps; none without one."""
    if keep is None:
        return ()
    if network is not None and network.categories is not None:
        found = network.categories.indices(options.names_of(keep), where=network.name)
        return tuple(network.categories.names[i] for i in found)
    from edgecut.keep import kept

    # A label set says nothing of what a network has a score for.
    nodes = kept(tree, range(len(tree.names)), options.names_of(keep), where=name)
    return tuple(tree.names[node] for node in nodes)


def _to_depth(tree: Taxonomy, depth: int | None, most: int | None) -> Taxonomy:
    """The upper levels of a tree, by default as many as have no more than so many nodes."""
    levels = [tree.level(node) for node in range(len(tree.names))]
    if depth is None:
        fitting = [d for d in set(levels) if most is None or sum(n <= d for n in levels) <= most]
        depth = max(fitting, default=0) + 1
    return tree.restricted(node for node, level in enumerate(levels) if level < depth)


def _costs(network: Network, shown: Taxonomy) -> TreeCost:
    from edgecut.branch_cost import tree_cost

    with render.progress() as tell:
        return tree_cost(
            network, nodes=shown.names, progress=lambda done, all_: tell("cut", done, all_)
        )


def _together(network: Network, kept: tuple[str, ...]) -> dict[str, int]:
    from edgecut.cutout import cut

    return _cost(cut(network, list(kept))[1].cut)


def _cost(cost: Any) -> dict[str, int]:
    return {"parameters": cost.parameters, "macs": cost.macs}


def _cost_share(costs: TreeCost, name: str) -> dict[str, float]:
    """What a node needs as a fraction of the whole network."""
    whole, full = costs.nodes[name].whole, costs.full
    return {
        "parameters": whole.parameters / max(full.parameters, 1),
        "macs": whole.macs / max(full.macs, 1),
    }


def _show(
    title: str, asked: Taxonomy, tree: Taxonomy, kept: tuple[str, ...], costs: TreeCost | None
) -> None:
    aliases = _aliases(tree)
    columns = ["category", *(["kept"] if kept else [])]
    if costs is not None:
        columns += [">adds parameters", ">MACs", ">needs parameters", ">MACs", ">of all MACs"]
    columns += ["other names"] if any(aliases.values()) else []
    rows = []
    if costs is not None and costs.stem is not None:
        rows.append(["(shared by all)", *([""] if kept else []), *_stem_cells(costs, costs.stem)])
    for branch, name in _drawn(tree, asked):
        row = [branch, *(["yes" if name in kept else ""] if kept else [])]
        row += [] if costs is None else _cost_cells(costs, name)
        rows.append([*row, _told(aliases[name])])
    width = len(columns)
    render.print_table(title, columns, [[*row, ""][:width] for row in rows])


def _show_totals(costs: TreeCost, together: dict[str, int] | None) -> None:
    full = costs.full
    click.echo(f"\nall: {render.count(full.parameters)} parameters, {render.count(full.macs)} MACs")
    if together is not None:
        click.echo(
            f"kept: {render.count(together['parameters'])} parameters, "
            f"{render.count(together['macs'])} MACs, {_percent(together['macs'], full.macs)} of all"
        )
    for refusal in costs.refusals:
        click.echo(f"kept whole before {refusal.op_type} '{refusal.node}': {refusal.reason}")


def _stem_cells(costs: TreeCost, stem: Cost) -> list[str]:
    cells = [render.count(stem.parameters), render.count(stem.macs)]
    return [*cells, *cells, _percent(stem.macs, costs.full.macs)]


def _cost_cells(costs: TreeCost, name: str) -> list[str]:
    node = costs.nodes[name]
    return [
        *(render.count(node.parameters), render.count(node.macs)),
        *(render.count(node.whole.parameters), render.count(node.whole.macs)),
        _percent(node.whole.macs, costs.full.macs),
    ]


def _drawn(tree: Taxonomy, whole: Taxonomy) -> Iterator[tuple[str, str]]:
    """Every node, drawn with its branches, and its name; ``whole`` has what is left out below."""
    for node, name in enumerate(tree.names):
        path = tree.path(node)
        last = [tree.children(tree.parents[n])[-1] == n for n in path]
        lines = ["   " if end else "│  " for end in last[1:-1]]
        lines += [] if len(path) == 1 else ["└─ " if last[-1] else "├─ "]
        hidden = 0 if tree.children(node) else len(whole.leaves_under(whole.names.index(name)))
        yield "".join([*lines, name, f" ({hidden})" if hidden else ""]), name


def _aliases(tree: Taxonomy) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {name: [] for name in tree.names}
    for alias, name in tree.aliases.items():
        found[name].append(alias)
    return found


def _told(aliases: list[str]) -> str:
    more = len(aliases) - MOST_ALIASES
    return ", ".join(aliases[:MOST_ALIASES]) + (f" and {more} more" if more > 0 else "")


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else ""
