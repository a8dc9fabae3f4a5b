"""What a keep-list means: names, ``parent/*``, ``*``, ``!name`` over a taxonomy.

| entry | keeps |
|---|---|
| ``name`` | the category of that name or alias; of a parent, its own score |
| ``a/b`` | ``b``, which must lie under ``a`` |
| ``parent/*`` | all leaves under it |
| ``*`` | all leaves |
| ``!name`` | not that one, nor anything under it, wherever the entry stands |
| ``!parent/*`` | nothing under it |

Where nothing but exclusions is listed, all leaves but these are kept. A name that holds one of the
signs is met by the whole of it, before the signs are read.
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from edgecut.errors import EdgecutError
from edgecut.taxonomy import Taxonomy

ALL, EXCEPT, UNDER = "*", "!", "/"


def kept(
    taxonomy: Taxonomy, scored: Collection[int], keep: Sequence[str], *, where: str
) -> tuple[int, ...]:
    """The nodes that a keep-list keeps, ascending and without repeats.

    Args:
        taxonomy: the categories.
        scored: the nodes that the network has a slot for; all leaves are among them.
        keep: the entries, as this module's table has them.
        where: the network, for messages.

    Raises:
        EdgecutError: ``empty-keep``, ``bad-keep``, ``unknown-category`` (with the closest names),
            ``not-under``, ``no-children``, or ``no-score`` for a parent without a slot.
    """
    entries = [_Entry(taxonomy, text.strip(), where) for text in keep if text.strip()]
    chosen = [entry for entry in entries if not entry.excludes]
    wanted = {node for entry in chosen for node in entry.nodes()}
    if entries and not chosen:
        wanted = set(taxonomy.leaves)
    left = wanted - {node for entry in entries if entry.excludes for node in entry.nodes()}
    if not left:
        raise EdgecutError(
            "the keep-list keeps nothing: its exclusions leave no category"
            if entries
            else "the keep-list is empty: name at least one category",
            code="empty-keep",
            hint=f"for example --keep {taxonomy.names[taxonomy.leaves[0]]}",
        )
    for node in sorted(left - set(scored)):
        raise _no_score(taxonomy.names[node], where)
    return tuple(sorted(left))


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry of a keep-list."""

    taxonomy: Taxonomy
    text: str
    where: str

    @property
    def excludes(self) -> bool:
        return self.text.startswith(EXCEPT) and self.taxonomy.find(self.text) is None

    def nodes(self) -> Collection[int]:
        """The nodes that the entry names, to keep them or to exclude them."""
        text = self.text.removeprefix(EXCEPT).strip() if self.excludes else self.text
        whole = self.taxonomy.find(text)
        if whole is not None:
            return self._itself(whole)
        if text == ALL:
            return self.taxonomy.leaves
        parts = [part.strip() for part in text.split(UNDER)]
        below = parts[-1] == ALL
        place = self._place(parts[:-1] if below else parts)
        return self._below(place) if below else self._itself(place)

    def _itself(self, node: int) -> Collection[int]:
        return {node, *self.taxonomy.under(node)} if self.excludes else {node}

    def _below(self, node: int) -> Collection[int]:
        """Everything under a node where that is excluded, and its leaves where they are kept."""
        if not self.taxonomy.children(node):
            name = self.taxonomy.names[node]
            raise EdgecutError(
                f"'{self.text}': there is nothing under '{name}' in {self.where}",
                code="no-children",
                hint=f"--keep '{name}' keeps it by itself",
            )
        return self.taxonomy.under(node) if self.excludes else self.taxonomy.leaves_under(node)

    def _place(self, parts: Sequence[str]) -> int:
        """The node that a path leads to, each part of which lies under the one before."""
        if any(not part or ALL in part for part in parts):
            raise EdgecutError(
                f"'{self.text}' is no entry of a keep-list",
                code="bad-keep",
                hint="an entry is 'name', 'parent/name', 'parent/*' or '*', with '!' before it to "
                "exclude",
            )
        nodes = [self._find(part) for part in parts]
        for above, node in itertools.pairwise(nodes):
            if node not in self.taxonomy.under(above):
                names = [self.taxonomy.names[i] for i in self.taxonomy.path(node)]
                raise EdgecutError(
                    f"'{self.text}': '{names[-1]}' does not lie under "
                    f"'{self.taxonomy.names[above]}' in {self.where}",
                    code="not-under",
                    hint=f"its place is {UNDER.join(names)}",
                )
        return nodes[-1]

    def _find(self, name: str) -> int:
        node = self.taxonomy.find(name)
        if node is not None:
            return node
        known = {n.casefold(): n for n in (*self.taxonomy.names, *self.taxonomy.aliases)}
        close = difflib.get_close_matches(name.casefold(), known, n=3, cutoff=0.6)
        meant = " or ".join(f"'{known[match]}'" for match in close)
        suggestion = f"did you mean {meant}? " if close else ""
        count = len(self.taxonomy.leaves)
        raise EdgecutError(
            f"'{name}' is not a category of {self.where} ({count} categories)",
            code="unknown-category",
            hint=f"{suggestion}`edgecut tree` lists them all",
        )


def _no_score(name: str, where: str) -> EdgecutError:
    return EdgecutError(
        f"{where} has no score for '{name}' itself, only for categories under it",
        code="no-score",
        hint=f"--keep '{name}/*' keeps them all",
    )
