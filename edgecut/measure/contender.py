"""An artifact that takes part in a measurement, and whether it is the one that was meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecut.artifact import Port
from edgecut.errors import EdgecutError
from edgecut.runtimes import entry_of, require_runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """An artifact that takes part in a measurement, under a name of its own.

    Without ports its tensors are taken as the file describes them. ``files`` are all of its files
    (by default ``path`` alone), and ``digest`` is what SHA-256 gives for them, one behind the
    other; ``verified_on`` maps each package that its build used to its version. Where these two
    are told, what was measured must be what was built and verified.
    """

    name: str
    path: Path
    format: str
    inputs: tuple[Port, ...] | None
    outputs: tuple[Port, ...] | None
    device: str = "CPU"
    files: tuple[Path, ...] = ()
    digest: str | None = None
    verified_on: Mapping[str, str] | None = None

    def check(self) -> None:
        """Raise unless it can be measured here.

        Raises:
            EdgecutError: ``missing-package``, ``unknown-format``, ``artifact-not-found``.
        """
        require_runtime(self.format)
        if not self.path.is_file():
            raise EdgecutError(f"{self.path} is not a file", code="artifact-not-found")

    def entry(self, threads: int) -> dict[str, Any]:
        """What ``device.py`` wants to know of it."""
        entry = entry_of(
            self.path, self.format, self.inputs, self.outputs, threads=threads, device=self.device
        )
        files = [str(path.resolve()) for path in self.files or (self.path,)]
        return {"name": self.name, **entry, "files": files}

    def doubts(self, told: Mapping[str, Any]) -> Iterator[str]:
        """Why what was measured is not this artifact on the runtime that it was verified on.

        Args:
            told: the report's ``sha256``, ``sha256_after``, ``runtime`` and ``version``.
        """
        if self.digest not in (None, told["sha256"]):
            yield "the file is not the one that was built and verified"
        elif told["sha256"] != told["sha256_after"]:
            yield "the file was changed during the run"
        if self.verified_on is not None:
            runtime, version = told["runtime"], told["version"]
            verified = self.verified_on.get(runtime)
            if verified is None:
                yield f"it was measured on {runtime}, where it was not verified"
            elif verified != version:
                yield f"it was measured on {runtime} {version}, and verified on {verified}"
