"""Fixtures that all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecut.remote.alone import PLACE


@pytest.fixture(scope="session", autouse=True)
def lock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """This machine's lock of these tests alone: they wait for nobody else's benchmark."""
    path = tmp_path_factory.mktemp("lock") / "bench.lock"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PLACE, str(path))
        yield path


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of models and data beside the checkout; tests that need it are skipped without."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "models").is_dir():
        pytest.skip("needs the folder ../shared, which is not here")
    return folder
