"""A training recipe with all that it refers to: its categories, and those that are trained."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgecut.calibration import entries
from edgecut.category_set import read_taxonomy
from edgecut.errors import EdgecutError
from edgecut.keep import kept
from edgecut.nested.budget import cost_of
from edgecut.nested.recipe import TrainRecipe, read
from edgecut.taxonomy import Taxonomy


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A recipe, the label set that it names, and what is trained of it.

    ``label_set`` is the user's own file, None where the label set is a shipped one; ``whole`` is
    what it holds, and ``taxonomy`` what of it is trained: all, or the leaves of a specialist.
    """

    settings: TrainRecipe
    label_set: Path | None
    whole: Taxonomy
    taxonomy: Taxonomy

    @property
    def digest(self) -> str:
        """SHA-256 of the recipe, with what its own label set holds in place of where it lies."""
        if self.label_set is None:
            return self.settings.digest
        tree = [self.whole.names, self.whole.parents, sorted(self.whole.aliases.items())]
        return replace(self.settings, categories=json.dumps(tree)).digest


def planned(recipe: Path, keep: Sequence[str] = ()) -> Plan:
    """The plan of a recipe's file.

    Args:
        recipe: the file; a label set's path in it is relative to it.
        keep: train a specialist of these leaves, whatever the recipe keeps.

    Raises:
        EdgecutError: ``bad-training-recipe``, ``unknown-labels``, ``not-a-leaf``,
            ``too-few-categories``, or what reading a label set and a keep-list raises.
    """
    settings = read(recipe)
    settings = replace(settings, keep=tuple(keep) or settings.keep)
    label_set = _label_set(settings, recipe)
    whole = read_taxonomy(str(label_set or settings.categories))
    try:
        taxonomy = _specialised(whole, settings)
        cost_of(taxonomy, settings.network, settings.size)
    except EdgecutError as error:
        raise EdgecutError(
            f"{recipe}: {error.message}", code=error.code, where=error.where, hint=error.hint
        ) from error
    return Plan(settings=settings, label_set=label_set, whole=whole, taxonomy=taxonomy)


def _label_set(settings: TrainRecipe, recipe: Path) -> Path | None:
    shipped = entries("categories")
    if settings.categories in shipped:
        return None
    path = recipe.parent / settings.categories
    if not path.is_file():
        raise EdgecutError(
            f"{recipe}: 'categories' is '{settings.categories}', neither a label set of edgecut "
            f"nor a file at {path}",
            code="unknown-labels",
            hint=f"known: {', '.join(shipped)}; a path is relative to the recipe",
        )
    return path


def _specialised(whole: Taxonomy, settings: TrainRecipe) -> Taxonomy:
    """The leaves that a specialist knows, all at the top; everything where nothing is kept."""
    if not settings.keep:
        return whole
    if settings.network.model != "dense":
        raise EdgecutError(
            f"'model' is '{settings.network.model}', and a specialist is a dense network",
            code="bad-training-recipe",
            hint='give a recipe with model = "dense"; a nested network is cut, not specialised',
        )
    nodes = kept(whole, range(len(whole.names)), settings.keep, where=settings.categories)
    names = [whole.names[node] for node in nodes]
    inner = [whole.names[node] for node in nodes if node not in whole.leaves]
    if inner:
        raise EdgecutError(
            f"a specialist is trained on leaves, and '{inner[0]}' is none",
            code="not-a-leaf",
            hint=f"--keep '{inner[0]}/*' names the leaves under it",
        )
    if len(names) == 1:
        raise EdgecutError(
            f"a specialist of '{names[0]}' alone has nothing to tell it from",
            code="too-few-categories",
            hint="keep two leaves or more",
        )
    aliases = {alias: name for alias, name in whole.aliases.items() if name in names}
    return Taxonomy.flat(names, aliases)
