"""The wheel holds the package with its data and nothing else, and works where it is unpacked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CHECKOUT = ("edgecut", "targets", "calibration")
FILES = ("pyproject.toml", "LICENSE", "NOTICE", "README.md")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, built without a network from a copy of the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in CHECKOUT:
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in FILES:
        shutil.copy(ROOT / name, source / name)
    # What must not slip in: setuptools finds such folders when it is left to look for itself.
    for name in ("tests", "benchmarks", "docs"):
        (source / name).mkdir()
        (source / name / "__init__.py").touch()
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def test_nothing_but_the_package(names: set[str]) -> None:
    tops = {name.split("/")[0] for name in names}
    assert {"edgecut"} < tops and len(tops) == 2
    (info,) = tops - {"edgecut"}
    assert info.endswith(".dist-info")


def test_every_module_is_in_it(names: set[str]) -> None:
    modules = {f"edgecut/{path.relative_to(ROOT / 'edgecut')}" for path in _below("edgecut", "py")}
    assert {name for name in names if name.endswith(".py")} == modules
    assert {"edgecut/py.typed", "edgecut/nested/run.py"} <= names


@pytest.mark.parametrize("kind", ["targets", "calibration"])
def test_the_data_is_in_it(names: set[str], kind: str) -> None:
    files = {f"edgecut/_shipped/{kind}/{path.name}" for path in _below(kind, "toml")}
    assert files
    assert {name for name in names if name.startswith(f"edgecut/_shipped/{kind}/")} == files


def test_what_it_says_of_itself(wheel: Path) -> None:
    import email

    with zipfile.ZipFile(wheel) as archive:
        (path,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        data = email.message_from_bytes(archive.read(path))
        (scripts,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert "edgecut = edgecut.cli.main:main" in archive.read(scripts).decode()
    assert (data["Name"], data["License-Expression"]) == ("edgecut", "Apache-2.0")
    assert data["Requires-Python"] == ">=3.11"
    extras = set(data.get_all("Provides-Extra"))
    assert {"tflite", "openvino", "torch", "coco", "parquet", "train"} <= extras


def test_an_installed_wheel_finds_its_data(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    _pip("install", "--no-deps", "--no-index", "--target", site, wheel)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    code = (
        "import edgecut, sys; from edgecut import shipped\n"
        f"assert edgecut.__file__.startswith({str(site)!r}), edgecut.__file__\n"
        f"assert str(shipped.folder('targets')).startswith({str(site)!r})\n"
        "assert 'coco80' in shipped.names('calibration')\n"
        "sys.argv = ['edgecut', 'targets']\n"
        "from edgecut.cli.main import main; main()"
    )
    child = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert (child.returncode, child.stderr) == (0, "")
    assert "raspberry-pi-4" in child.stdout


def _below(folder: str, suffix: str) -> list[Path]:
    return sorted((ROOT / folder).rglob(f"*.{suffix}"))


def _pip(*arguments: object) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    child = subprocess.run(command, capture_output=True, text=True)
    assert child.returncode == 0, child.stdout + child.stderr
