"""Sets of categories: names by slot, and the tree over them, from ``.toml`` or text files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecut import finite_json, shipped
from edgecut.calibration import entries, open_entry
from edgecut.errors import EdgecutError
from edgecut.openvino_info import read_info
from edgecut.table import Table
from edgecut.taxonomy import Taxonomy
from edgecut.taxonomy_file import grown, repeated


@dataclass(frozen=True, slots=True, kw_only=True)
class CategorySet:
    """Names by slot, and the tree whose leaves they are.

    ``wnids`` are WordNet's ids, one for each name; the taxonomy has them among its aliases.
    """

    name: str
    names: tuple[str, ...]
    source: str
    wnids: tuple[str, ...]
    taxonomy: Taxonomy


def read_categories(name: str) -> CategorySet:
    """The shipped category set of that name, or the one at that ``.toml`` path.

    Raises:
        EdgecutError: ``unknown-labels``, ``bad-toml``, ``bad-recipe``, ``duplicate-names``, or
            what ``taxonomy_file.grown`` raises.
    """
    table = open_entry(name, "categories")
    names = tuple(name.strip() for name in table.texts("names"))
    wnids = table.texts("wnids") if table.has("wnids") else ()
    if wnids and len(wnids) != len(names):
        raise table.error(f"'wnids' holds {len(wnids)} entries for {len(names)} names")
    _refuse_repeats(names, f"category set '{name}'")
    found = CategorySet(
        name=table.text("name"),
        names=names,
        source=table.text("source") if table.has("source") else "",
        wnids=wnids,
        taxonomy=_taxonomy(table, names, wnids),
    )
    table.done()
    return found


def read_labels(name: str) -> CategorySet:
    """A shipped set, a ``.toml`` set, or the names in a file: a text file of lines, a Hugging Face
    ``config.json``, or the ``.xml`` of an OpenVINO IR.

    Raises:
        EdgecutError: ``missing-names``, ``bad-names``, ``empty-names``, ``duplicate-names``, or
            what ``read_categories`` raises.
    """
    path = Path(name)
    is_file = path.suffix != "" or len(path.parts) > 1 or path.is_file()
    known = entries("categories")
    if name in known or not is_file or (path.suffix == ".toml" and path.exists()):
        return read_categories(name)
    if path.suffix == ".json" and path.exists():
        return _of_names(json_names(path), path)
    if path.suffix == ".xml" and path.exists():
        return _of_names(_xml_names(path), path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise EdgecutError(
            f"{path}: there is no such file of category names",
            code="missing-names",
            hint=f"give a text file with one name per line, or one of: {', '.join(known)}",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise EdgecutError(f"{path} cannot be read as text: {error}", code="bad-names") from error
    return _of_names(tuple(line.strip() for line in lines if line.strip()), path)


def json_names(path: Path) -> tuple[str, ...]:
    """The names by slot of a Hugging Face ``config.json`` (``id2label``); none where it has none.

    Raises:
        EdgecutError: ``bad-names``.
    """
    try:
        labels = finite_json.loads(path.read_text(encoding="utf-8")).get("id2label", {})
        by_slot = {int(slot): str(name).strip() for slot, name in labels.items()}
        if sorted(by_slot) != list(range(len(by_slot))):
            raise ValueError("the slots of 'id2label' do not count up from 0")
    except (OSError, AttributeError, TypeError, ValueError) as error:
        raise EdgecutError(f"{path} holds no names by slot: {error}", code="bad-names") from error
    return tuple(by_slot[slot] for slot in range(len(by_slot)))


def _xml_names(path: Path) -> tuple[str, ...]:
    """The names that OpenVINO's Model API notes in an IR, in whose list a space is an underscore.

    Raises:
        EdgecutError: ``bad-names``.
    """
    try:
        labels = read_info(path).get("labels", "")
    except (OSError, ValueError) as error:
        raise EdgecutError(f"{path} holds no names by slot: {error}", code="bad-names") from error
    return tuple(
        name.replace("_", " ").strip() or name for name in labels.split() if labels != "None"
    )


def _of_names(names: tuple[str, ...], path: Path) -> CategorySet:
    if not names:
        raise EdgecutError(f"{path} holds no category name", code="empty-names")
    _refuse_repeats(names, str(path))
    return CategorySet(
        name=path.name, names=names, source=str(path), wnids=(), taxonomy=taxonomy_of(names)
    )


def read_names(name: str) -> tuple[str, ...]:
    """The names of ``read_labels``, by slot."""
    return read_labels(name).names


def read_taxonomy(name: str) -> Taxonomy:
    """The tree of ``read_labels``; a flat one where the set has none."""
    return read_labels(name).taxonomy


def taxonomy_of(names: Sequence[str]) -> Taxonomy:
    """The tree of the shipped set that has just these names, in any order; a flat one without."""
    for entry in entries("categories"):
        known = shipped.read("calibration", entry)["names"]
        if len(known) == len(names) and set(known) == set(names):
            return read_categories(entry).taxonomy
    return Taxonomy.flat(names)


def read_aliases(name: str) -> dict[str, str]:
    """WordNet id -> name for a category set that knows them; empty for the others."""
    found = read_categories(name)
    return dict(zip(found.wnids, found.names, strict=False))


def _taxonomy(table: Table, names: Sequence[str], wnids: Sequence[str]) -> Taxonomy:
    if not (table.has("tree") or table.has("aliases")):
        # Names with signs of --keep's in them are met whole, where there is no tree.
        return Taxonomy.flat(names, dict(zip(wnids, names, strict=False)))
    tree = table.table("tree").lists() if table.has("tree") else {}
    aliases = table.table("aliases").lists() if table.has("aliases") else {}
    for name, wnid in zip(names, wnids, strict=False):
        aliases[name] = (*aliases.get(name, ()), wnid)
    return grown(names, tree, aliases, where=table.where)


def _refuse_repeats(names: tuple[str, ...], where: str) -> None:
    # Names are looked up without regard to case, so 'Cat' and 'cat' would be one.
    twice = repeated(names)
    if twice:
        raise EdgecutError(
            f"{where}: names more than one category {', '.join(map(repr, twice))}",
            code="duplicate-names",
            hint="make every name unique, for example 'crane (bird)' and 'crane (machine)'",
        )
