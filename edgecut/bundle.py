"""The output folder: artifacts, labels, the manifest that travels, the report that stays."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecut import finite_json
from edgecut.artifact import Artifact, Emitted, Port
from edgecut.attention import Attention
from edgecut.cost import Cost
from edgecut.errors import EdgecutError
from edgecut.network import digest_of
from edgecut.target import FORMATS, SCHEMES

if TYPE_CHECKING:
    from edgecut.attention import Gains, Wishes

MANIFEST_SCHEMA = "edgecut.manifest/1"
REPORT_SCHEMA = "edgecut.report/1"
MANIFEST = "manifest.json"
REPORT = "report.json"
LABELS = "labels.txt"
CUT = "cut.onnx"
RECORDS = "records"
"""The folder of what was measured, which a new build takes over; see ``edgecut.records``."""
PACKAGES = (
    *("edgecut", "onnx", "onnx-ir", "onnxsim", "onnxruntime", "numpy"),
    *("ai-edge-litert", "ai-edge-quantizer", "openvino", "nncf", "torch"),
)


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A temporary folder beside ``out`` that takes its place once everything in it is done.

    Whatever goes wrong, Ctrl-C too, leaves ``out`` as it was. An older bundle is replaced if there
    is nothing in it that edgecut did not write, and its records are kept; any other folder is not
    touched.

    Raises:
        EdgecutError: ``output-exists`` or ``unwritable-output``.
    """
    out = out.resolve()  # a link stays, and what it points to is replaced
    foreign = _foreign(out)
    if foreign:
        raise EdgecutError(
            f"{out} holds {foreign}, which edgecut did not write",
            code="output-exists",
            hint="give another --out",
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{out.name}.partial-", dir=out.parent))
    except OSError as error:
        raise _unwritable(out, error) from error
    try:
        yield partial
        partial.chmod(0o755)
        _swap(partial, out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _foreign(out: Path) -> str:
    """The first thing in a folder that no build of ours put there; nothing in an empty one."""
    if not out.exists():
        return ""
    if not out.is_dir():
        return "a file in its place"
    ours = {MANIFEST, REPORT, LABELS, CUT, RECORDS}
    try:
        manifest = read_json(out / MANIFEST, MANIFEST_SCHEMA)
        for artifact in map(artifact_from_json, manifest["artifacts"]):
            ours |= {path.name for path in files_of(out, artifact)}
    except (EdgecutError, KeyError, TypeError):
        ours = set()
    return next((f"'{e.name}'" for e in sorted(out.iterdir()) if e.name not in ours), "")


def _swap(partial: Path, out: Path) -> None:
    old = partial.with_name(partial.name + ".old")
    try:
        if (out / RECORDS).is_dir():
            shutil.copytree(out / RECORDS, partial / RECORDS)
        if out.exists():
            os.replace(out, old)
        os.replace(partial, out)
    except OSError as error:
        raise _unwritable(out, error) from error
    finally:
        if old.exists() and not out.exists():  # stopped between the two
            os.replace(old, out)
        shutil.rmtree(old, ignore_errors=True)


def _unwritable(out: Path, error: OSError) -> EdgecutError:
    return EdgecutError(
        f"{out} cannot be written: {error.strerror}",
        code="unwritable-output",
        hint="give another --out",
    )


def write_artifact(folder: Path, stem: str, target: str, emitted: Emitted) -> Artifact:
    """Write an artifact's files and say where they are; the path names the main one."""
    for suffix, content in emitted.files.items():
        (folder / f"{stem}{suffix}").write_bytes(content)
    main = next(iter(emitted.files))
    return Artifact(
        path=f"{stem}{main}",
        format=emitted.format,
        scheme=emitted.scheme,
        target=target,
        digest=digest_of(b"".join(emitted.files.values())),
        bytes=emitted.bytes,
        inputs=emitted.inputs,
        outputs=emitted.outputs,
        notes=emitted.notes,
    )


def files_of(folder: Path, artifact: Artifact) -> list[Path]:
    """The files of an artifact, in the order in which they are digested."""
    main = folder / artifact.path
    return [main, main.with_suffix(".bin")] if artifact.format == "openvino" else [main]


def check_digest(folder: Path, artifact: Artifact) -> None:
    """Raise unless the files are those that the manifest describes.

    Raises:
        EdgecutError: ``missing-artifact`` or ``changed-artifact``.
    """
    _check_digest(files_of(folder, artifact), artifact.digest)


def check_cut(folder: Path, digest: str) -> None:
    """Raise ``changed-artifact`` unless the cut network is the one that the manifest describes."""
    _check_digest([folder / CUT], digest)


def _check_digest(files: Sequence[Path], digest: str) -> None:
    try:
        data = b"".join(path.read_bytes() for path in files)
    except OSError as error:
        raise EdgecutError(
            f"{error.filename} cannot be read: {error.strerror}",
            code="missing-artifact",
            hint="build again",
        ) from error
    if digest_of(data) != digest:
        raise EdgecutError(
            f"{' or '.join(map(str, files))} is not the file that {MANIFEST} describes",
            code="changed-artifact",
            hint="build again",
        )


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write JSON with a newline at its end; the same data gives the same bytes."""
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path, schema: str) -> dict[str, Any]:
    """The JSON of one of our files.

    Raises:
        EdgecutError: ``not-a-bundle`` or ``other-schema``.
    """
    try:
        data = finite_json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EdgecutError(
            f"{path} cannot be read: {error}",
            code="not-a-bundle",
            hint="give a folder that `edgecut build` wrote",
        ) from error
    if not isinstance(data, dict) or data.get("schema") != schema:
        raise EdgecutError(
            f"{path} does not follow {schema}",
            code="other-schema",
            hint="build again with this version",
        )
    return data


def gains(source: Attention | Path | str, wishes: Wishes) -> Gains:
    """The gains for a bundle's artifacts, by category: float32 of shape (1, slots).

    >>> gains("dist", {"car": 2.0, "dog": 0.5})  # doctest: +SKIP

    Args:
        source: an attention, or the folder that ``build`` wrote with ``attention``.
        wishes: category -> gain, the others stay neutral; or a gain for each slot, in order.

    Raises:
        EdgecutError: ``no-attention``, ``not-a-bundle``, ``other-schema``, or what
            ``Attention.gains`` raises.
    """
    if not isinstance(source, Attention):
        source = read_attention(Path(source))
    return source.gains(wishes)


def read_attention(folder: Path) -> Attention:
    """The attention of a bundle's artifacts, as its manifest tells of it.

    Raises:
        EdgecutError: ``no-attention``, ``bad-attention``, ``not-a-bundle`` or ``other-schema``.
    """
    path = folder / MANIFEST
    told = read_json(path, MANIFEST_SCHEMA).get("attention")
    if told is None:
        raise no_attention(folder)
    return Attention.from_json(told, where=str(path))


def no_attention(folder: Path) -> EdgecutError:
    """The error of a bundle that takes no gains."""
    return EdgecutError(
        f"the artifacts in {folder} take no gains",
        code="no-attention",
        hint="build again with --attention, from a network that takes gains",
    )


def artifact_to_json(artifact: Artifact) -> dict[str, Any]:
    """An artifact as the manifest holds it."""
    return {
        "path": artifact.path,
        "format": artifact.format,
        "scheme": artifact.scheme,
        "target": artifact.target,
        "bytes": artifact.bytes,
        "sha256": artifact.digest,
        "inputs": [port.to_json() for port in artifact.inputs],
        "outputs": [port.to_json() for port in artifact.outputs],
        "notes": list(artifact.notes),
    }


def artifact_from_json(data: Mapping[str, Any]) -> Artifact:
    """The inverse of ``artifact_to_json``.

    Raises:
        EdgecutError: ``path-escape`` where the path leaves the bundle, ``not-a-bundle``.
    """
    try:
        if Path(data["path"]).name != data["path"]:
            raise EdgecutError(
                f"the manifest's artifact '{data['path']}' lies outside of its folder",
                code="path-escape",
            )
        return Artifact(
            path=data["path"],
            format=_among(data["format"], FORMATS),
            scheme=_among(data["scheme"], SCHEMES),
            target=data["target"],
            digest=data["sha256"],
            bytes=data["bytes"],
            inputs=tuple(Port.from_json(port) for port in data["inputs"]),
            outputs=tuple(Port.from_json(port) for port in data["outputs"]),
            notes=tuple(data["notes"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise EdgecutError(
            f"the manifest lacks or misstates {error}", code="not-a-bundle", hint="build again"
        ) from error


def _among(value: object, known: Sequence[str]) -> str:
    if value not in known:
        raise ValueError(f"'{value}', which is none of {', '.join(known)}")
    return str(value)


def for_target(artifact: Artifact, target: str) -> Artifact:
    """The same file, listed for another target."""
    return replace(artifact, target=target)


def cost_to_json(cost: Cost) -> dict[str, Any]:
    """A cost as the report holds it."""
    return {
        "parameters": cost.parameters,
        "macs": cost.macs,
        "weight_bytes": cost.weight_bytes,
        "uncounted": list(cost.uncounted),
    }


def versions() -> dict[str, str]:
    """Versions of edgecut and of the packages that shape an artifact's bytes."""
    found = {}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
