"""A taxonomy from the tables [tree] and [aliases] of a file, with every fault told by name."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from edgecut.errors import EdgecutError
from edgecut.taxonomy import Taxonomy

MOST_NODES = 30_000
MOST_LEVELS = 32
MOST_LETTERS = 200

Tree = Mapping[str, Sequence[str]]


def grown(leaves: Sequence[str], tree: Tree, aliases: Tree, *, where: str) -> Taxonomy:
    """The taxonomy of these leaves under these parents, in depth-first order.

    Children stand in the order of their list; at the top come the parents that are nobody's child,
    in the order of ``tree``, and then the leaves that are nobody's.

    Args:
        leaves: names of the leaves.
        tree: parent -> its children, which are leaves or parents.
        aliases: name -> its other names.
        where: the file, for messages.

    Raises:
        EdgecutError: ``bad-name``, ``taxonomy-too-large``, ``duplicate-names``,
            ``parent-is-leaf``, ``no-children``, ``orphan-category``, ``two-parents``,
            ``taxonomy-cycle``, ``unknown-alias`` or ``alias-collision``.
    """
    _check_size(leaves, tree, aliases, where)
    for name in _all(leaves, tree, aliases):
        _check_name(name, where)
    _check_parents(leaves, tree, where)
    _check_case([*leaves, *tree], where)
    parent_of = _parents(leaves, tree, where)
    _refuse_cycle(parent_of, where)
    names, parents = _in_order(leaves, tree, parent_of, where)
    turned = _turned(names, aliases, where)
    return Taxonomy(names=tuple(names), parents=tuple(parents), aliases=turned)


def _all(leaves: Sequence[str], tree: Tree, aliases: Tree) -> Iterator[str]:
    yield from leaves
    for table in (tree, aliases):
        for name, others in table.items():
            yield from (name, *others)


def _check_size(leaves: Sequence[str], tree: Tree, aliases: Tree, where: str) -> None:
    for what, count in (
        ("categories", len(leaves) + len(tree)),
        ("aliases", sum(map(len, aliases.values()))),
    ):
        if count > MOST_NODES:
            raise EdgecutError(
                f"{where} holds {count} {what}; {MOST_NODES} are the most",
                code="taxonomy-too-large",
                hint="leave out what the network does not tell apart",
            )


def _check_name(name: str, where: str) -> None:
    signs = [sign for sign in "/*," if sign in name]
    if name.startswith("!"):
        signs.append("!")
    reason = f"holds '{signs[0]}', which --keep reads as a sign" if signs else ""
    if not name.strip() or name != name.strip() or not name.isprintable():
        reason = "is empty, has blanks around it, or holds what cannot be printed"
    if len(name) > MOST_LETTERS:
        name, reason = f"{name[:40]}...", f"is longer than {MOST_LETTERS} letters"
    if reason:
        raise EdgecutError(
            f"{where}: the name {name!r} {reason}",
            code="bad-name",
            where=where,
            hint="'/', '*', ',' and a leading '!' have a meaning in --keep; name it without them",
        )


def _check_parents(leaves: Sequence[str], tree: Tree, where: str) -> None:
    named = {name.casefold(): name for name in leaves}
    for parent, children in tree.items():
        if parent.casefold() in named:
            raise EdgecutError(
                f"{where}: '{parent}' is a parent in [tree] and a leaf in 'names'",
                code="parent-is-leaf",
                hint=f"give the parent a name of its own, or take '{parent}' out of one of them",
            )
        if not children:
            raise EdgecutError(
                f"{where}: the parent '{parent}' has no children",
                code="no-children",
                hint="list its children, or leave it out; a leaf stands in 'names'",
            )


def _check_case(names: Iterable[str], where: str) -> None:
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(name.casefold(), name)
        if other is not name and other != name:
            raise EdgecutError(
                f"{where}: '{other}' and '{name}' differ only by case, which --keep ignores",
                code="duplicate-names",
                hint="make every name unique",
            )


def _parents(leaves: Sequence[str], tree: Tree, where: str) -> dict[str, str]:
    """Child -> parent."""
    known = {*leaves, *tree}
    found: dict[str, str] = {}
    for parent, children in tree.items():
        for child in children:
            if child not in known:
                close = difflib.get_close_matches(child, known, n=1)
                raise EdgecutError(
                    f"{where}: '{child}', under '{parent}', is neither in 'names' nor a parent",
                    code="orphan-category",
                    hint=f"did you mean '{close[0]}'?" if close else "add it to 'names'",
                )
            if child in found:
                other = found[child]
                raise EdgecutError(
                    f"{where}: '{child}' is listed twice under '{parent}'"
                    if other == parent
                    else f"{where}: '{child}' has two parents, '{other}' and '{parent}'",
                    code="two-parents",
                    hint="a category has one place in the tree: list it once",
                )
            found[child] = parent
    return found


def _refuse_cycle(parent_of: Mapping[str, str], where: str) -> None:
    fine: set[str] = set()
    for start in parent_of:
        path: dict[str, None] = {}  # a set in order
        name: str | None = start
        while name is not None and name not in fine:
            if name in path:
                ring = list(path)[list(path).index(name) :]
                raise EdgecutError(
                    f"{where}: the tree runs in a circle: {' > '.join([name, *reversed(ring)])}",
                    code="taxonomy-cycle",
                    hint="nothing can be a kind of itself: take one of them out of its parent",
                )
            path[name] = None
            name = parent_of.get(name)
        fine.update(path)


def _in_order(
    leaves: Sequence[str], tree: Tree, parent_of: Mapping[str, str], where: str
) -> tuple[list[str], list[int | None]]:
    """Names and parents' indices, depth first."""
    names: list[str] = []
    parents: list[int | None] = []
    tops = [name for name in (*tree, *leaves) if name not in parent_of]
    waiting: list[tuple[str, int | None, int]] = [(name, None, 1) for name in reversed(tops)]
    while waiting:
        name, parent, level = waiting.pop()
        if level > MOST_LEVELS:
            raise EdgecutError(
                f"{where}: the tree is deeper than {MOST_LEVELS} levels at '{name}'",
                code="taxonomy-too-large",
                hint="leave out levels in between",
            )
        waiting += [(child, len(names), level + 1) for child in reversed(tree.get(name, ()))]
        names.append(name)
        parents.append(parent)
    return names, parents


def _turned(names: Sequence[str], aliases: Tree, where: str) -> dict[str, str]:
    """Alias -> name."""
    taken = {name.casefold(): f"the category '{name}'" for name in names}
    known = set(names)
    found: dict[str, str] = {}
    for name, others in aliases.items():
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            raise EdgecutError(
                f"{where}: [aliases] has other names for '{name}', which is not in the tree",
                code="unknown-alias",
                hint=f"did you mean '{close[0]}'?" if close else "name = [its other names]",
            )
        for alias in others:
            if alias.casefold() in taken:
                raise EdgecutError(
                    f"{where}: '{alias}', an alias of '{name}', is also {taken[alias.casefold()]}",
                    code="alias-collision",
                    hint="an alias stands for one category, and is no other's name",
                )
            taken[alias.casefold()] = f"an alias of '{name}'"
            found[alias] = name
    return found


def repeated(names: Iterable[str]) -> list[str]:
    """Names that occur more than once without regard to case, folded."""
    return [name for name, count in Counter(name.casefold() for name in names).items() if count > 1]
