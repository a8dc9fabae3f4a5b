"""Checkpoints: whole or not at all, and of one training alone."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from edgecut.errors import EdgecutError
from edgecut.nested import checkpoint
from edgecut.nested.checkpoint import Checkpoint, Identity
from edgecut.saving import PARTIAL

FIRST = Checkpoint(tensors={"a": torch.arange(6.0).reshape(2, 3)}, facts={"step": 1, "log": []})
SECOND = Checkpoint(tensors={"a": torch.zeros(2, 3)}, facts={"step": 2, "log": [{"epoch": 1.0}]})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.safetensors"


def same(found: Checkpoint, expected: Checkpoint) -> bool:
    return found.facts == expected.facts and all(
        torch.equal(found.tensors[name], tensor) for name, tensor in expected.tensors.items()
    )


def test_there_and_back(path: Path) -> None:
    checkpoint.save(path, FIRST)
    assert same(checkpoint.load(path), FIRST)
    checkpoint.save(path, SECOND)
    assert same(checkpoint.load(path), SECOND)
    assert checkpoint.load_facts(path) == SECOND.facts
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_the_same_state_gives_the_same_bytes(path: Path) -> None:
    checkpoint.save(path, FIRST)
    before = path.read_bytes()
    checkpoint.save(path, SECOND)
    assert path.read_bytes() != before
    checkpoint.save(path, Checkpoint(tensors=FIRST.tensors, facts={"log": [], "step": 1}))
    assert path.read_bytes() == before


def test_memory_order_is_no_part_of_it(path: Path) -> None:
    tensor = torch.randn(2, 3, 4, 4)
    for one in (tensor, tensor.contiguous(memory_format=torch.channels_last)):
        checkpoint.save(path, Checkpoint(tensors={"a": one}, facts={}))
        assert torch.equal(checkpoint.load(path).tensors["a"], tensor)


class Full:
    """A file on a disk that is full, some way into the writing."""

    def __init__(self, file: object) -> None:
        self.file = file

    def write(self, data: bytes) -> None:
        self.file.write(data[: len(data) // 2])  # type: ignore[attr-defined]
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def __enter__(self) -> Full:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("when", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_the_last_good_checkpoint(
    path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    checkpoint.save(path, FIRST)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        if when == "write":
            patch.setattr("builtins.open", lambda *a, opened=open, **k: Full(opened(*a, **k)))
        else:
            patch.setattr(os, when, full)
        with pytest.raises(EdgecutError) as error:
            checkpoint.save(path, SECOND)
    assert error.value.code == "cannot-save"
    assert error.value.message == f"cannot save {path}: No space left on device"
    assert same(checkpoint.load(path), FIRST)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    checkpoint.save(path, SECOND)  # there is room again
    assert same(checkpoint.load(path), SECOND)


def test_stopped_while_it_is_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint.save(path, FIRST)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "fsync", stop)
        checkpoint.save(path, SECOND)
    assert same(checkpoint.load(path), FIRST)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_what_a_kill_left_is_written_over(path: Path) -> None:
    path.with_name(path.name + PARTIAL).write_bytes(b"half")
    checkpoint.save(path, FIRST)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_folder_that_is_gone(path: Path) -> None:
    with pytest.raises(EdgecutError, match="No such file or directory"):
        checkpoint.save(path.parent / "gone" / path.name, FIRST)


@pytest.mark.parametrize("what", ["text", "half", "facts", "no facts", "a list", "nothing"])
def test_foreign_files(path: Path, what: str) -> None:
    if what == "text":
        path.write_text("nothing of the kind")
    elif what == "half":
        checkpoint.save(path, FIRST)
        path.write_bytes(path.read_bytes()[:-5])
    elif what != "nothing":
        texts = {"facts": {"facts": "{"}, "no facts": {}, "a list": {"facts": "[1]"}}
        save_file(dict(FIRST.tensors), path, texts[what])
    for read in (checkpoint.load, checkpoint.load_facts):
        with pytest.raises(EdgecutError) as error:
            read(path)
        assert error.value.code == "bad-checkpoint"
        assert error.value.message.startswith(f"{path} is not a checkpoint")


def test_identity() -> None:
    mine = Identity(recipe="r", data="d")
    mine.check({**mine.facts, "step": 7}, Path("runs"))
    for facts, told in [
        ({"recipe": "other", "data": "d"}, "runs holds a training with other settings"),
        ({"recipe": "r", "data": "other"}, "runs holds a training on other data"),
        ({"recipe": "r"}, "on other data"),
        ({}, "with other settings"),
    ]:
        with pytest.raises(EdgecutError, match=told) as error:
            mine.check(facts, Path("runs"))
        assert error.value.code == "other-recipe"
