"""What the tests of training share."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from edgecut.nested import run
from tests.nested import toys


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Networks this small gain nothing from more, and sums keep their order."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A parquet file of toys, one of which is broken."""
    rows = toys.rows()
    rows[7]["image"] = rows[7]["image"][:60]
    return toys.parquet(tmp_path_factory.mktemp("data") / "toys.parquet", rows)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, data: Path) -> run.Trained:
    """A training that nothing interrupted; its folder is not to be changed."""
    folder = tmp_path_factory.mktemp("whole")
    return run.train(toys.written(folder), data, folder / "run")
