"""What runs on a device by itself, seen from here."""

from __future__ import annotations

import ast
import os
import sys
import tempfile
from pathlib import Path

import pytest

from edgecut.remote import supervisor

SOURCE = Path(supervisor.__file__).read_text(encoding="utf-8")


def test_it_is_python_3_9_and_needs_nothing_but_that() -> None:
    tree = ast.parse(SOURCE, feature_version=(3, 9))
    assert "from __future__ import annotations" in SOURCE
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
    named = {alias.name for node in imports for alias in node.names}
    named |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in named} <= set(sys.stdlib_module_names)


def test_a_lock_is_for_one(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    first = supervisor.take_lock(path)
    assert first is not None and supervisor.take_lock(path) is None
    held = supervisor.read_lock(path)
    assert held["pid"] == str(os.getpid()) and held["user"] and held["since"].endswith("Z")
    os.close(first)
    second = supervisor.take_lock(path)
    assert second is not None
    os.close(second)


def test_a_lock_that_was_removed_holds_nobody_back(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = supervisor.take_lock(str(path))
    path.unlink()
    second = supervisor.take_lock(str(path))
    assert first is not None and second is not None
    os.close(first)
    os.close(second)


def test_a_lock_that_is_dropped_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = supervisor.take_lock(str(path))
    assert first is not None
    supervisor.drop_lock(first, str(path))
    assert not path.exists()
    second = supervisor.take_lock(str(path))
    path.unlink()
    third = supervisor.take_lock(str(path))
    assert second is not None and third is not None
    supervisor.drop_lock(second, str(path))  # not the one that is there now
    assert path.exists() and supervisor.take_lock(str(path)) is None
    os.close(third)


def test_a_lock_that_says_nothing_is_a_lock(tmp_path: Path) -> None:
    for text in ("", "[]", '{"since": 3}', "nonsense"):
        (tmp_path / "lock").write_text(text)
        assert supervisor.read_lock(str(tmp_path / "lock")) == {}


def test_a_lock_is_no_link(tmp_path: Path) -> None:
    """Whoever may write to /tmp must not choose the file that another user's benchmark writes."""
    (tmp_path / "mine").write_text("kept")
    (tmp_path / "lock").symlink_to(tmp_path / "mine")
    with pytest.raises(OSError):
        supervisor.take_lock(str(tmp_path / "lock"))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="is not a file"):
        supervisor.take_lock(str(tmp_path / "pipe"))
    assert (tmp_path / "mine").read_text() == "kept"


def test_only_our_own_folders_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in (supervisor.PREFIX + "x", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    (tmp_path / (supervisor.PREFIX + "link")).symlink_to(tmp_path / "other")
    supervisor.sweep()
    assert sorted(p.name for p in tmp_path.iterdir()) == [supervisor.PREFIX + "link", "other"]
    assert (tmp_path / "other" / "file").exists()
