"""One network for one target in one scheme; what comes out runs and agrees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecut.artifact import Emitted
from edgecut.errors import EdgecutError
from edgecut.network import Network
from edgecut.opened import running
from edgecut.passes.tidy import tidy
from edgecut.produce import Tensors, produce
from edgecut.runtimes import open_runtime
from edgecut.source import SampleSource, load
from edgecut.target import read_target
from edgecut.verification import verify_artifact
from tests.e2e.models import RECIPE, Case, detector, write_case

TARGETS = ("raspberry-pi-4", "intel-cpu")


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return write_case(tmp_path_factory.mktemp("produce"), "tiny", detector(), RECIPE)


@pytest.fixture(scope="module")
def network(case: Case) -> Network:
    return tidy(load(str(case.model), labels=str(case.labels)))


@pytest.fixture(scope="module")
def tensors(case: Case, network: Network) -> Tensors:
    return Tensors(SampleSource(path=str(case.photos), recipe=str(case.recipe)).open(network))


@pytest.mark.parametrize("scheme", ["float32", "float16", "int8"])
@pytest.mark.parametrize("target", TARGETS)
def test_what_comes_out_agrees_with_the_network(
    network: Network, tensors: Tensors, target: str, scheme: str, tmp_path: Path
) -> None:
    emitted = produce(network, read_target(target), scheme, tensors)
    assert (emitted.format, emitted.scheme) == (read_target(target).format, scheme)
    path = _written(emitted, tmp_path)
    inputs = [(str(i), {"image": tensor}) for i, tensor in enumerate(tensors)]
    with (
        running(network) as reference,
        open_runtime(path, emitted.format, emitted.inputs, emitted.outputs) as runtime,
    ):
        check = verify_artifact(reference, runtime, inputs, scheme, categories=network.categories)
    assert check.passed, check
    assert produce(network, read_target(target), scheme, tensors) == emitted


def _written(emitted: Emitted, folder: Path) -> Path:
    for suffix, content in emitted.files.items():
        (folder / f"a{suffix}").write_bytes(content)
    return folder / f"a{next(iter(emitted.files))}"


def test_schemes_make_smaller_files(network: Network, tensors: Tensors) -> None:
    sizes = {
        scheme: produce(network, read_target("raspberry-pi-4"), scheme, tensors).bytes
        for scheme in ("float32", "float16", "int8")
    }
    assert sizes["int8"] < sizes["float16"] < sizes["float32"]


@pytest.mark.parametrize(
    ("target", "scheme", "code"),
    [
        ("intel-npu", "float32", "scheme-not-allowed"),
        ("intel-cpu", "int4", "scheme-not-allowed"),
        ("intel-cpu", "int8", "no-samples"),
        ("raspberry-pi-4", "int8", "no-samples"),
    ],
)
def test_what_is_refused(network: Network, target: str, scheme: str, code: str) -> None:
    with pytest.raises(EdgecutError) as caught:
        produce(network, read_target(target), scheme, None)
    assert caught.value.code == code


@pytest.mark.parametrize("target", TARGETS)
def test_progress_is_told(network: Network, tensors: Tensors, target: str) -> None:
    told: list[tuple[int, int]] = []
    produce(
        network,
        read_target(target),
        "int8",
        tensors,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told[-1] == (6, 6)
    assert all(done <= total for done, total in told)


def test_tensors_are_read_anew_each_time(tensors: Tensors) -> None:
    first, second = list(tensors), list(tensors)
    assert len(tensors) == len(first) == 6
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    arrays = [np.zeros((1, 3, 2, 2), np.float32)]
    assert list(Tensors(arrays)) == arrays
