"""Every rule against ONNX's own cases of its operations: what is left gives the selected slots.

Left out are the cases that neither ONNX Runtime nor ONNX's reference runs (float4 and the like),
and those that edgecut refuses to load: tensors without elements, sequences, optionals.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any
from zlib import crc32

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from edgecut.demand import demand
from edgecut.errors import EdgecutError
from edgecut.loaders.onnx_file import from_proto
from edgecut.network import Network
from edgecut.ops import RULES
from edgecut.ops.region import Region
from edgecut.passes.narrow import narrow
from tests.graphs import run

Values = Mapping[str, Any]

OPERATIONS = sorted(name for rule in RULES for name in rule.op_types)
WITHOUT_CASES = {"GlobalLpPool"}
OLDEST = 9


@cache
def cases() -> dict[str, list[Any]]:
    """ONNX's cases of a single node, by operation."""
    from onnx.backend.test.case.node import collect_testcases

    found: dict[str, list[Any]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of them overflow on purpose
        for case in collect_testcases():
            nodes = case.model.graph.node
            if len(nodes) == 1 and nodes[0].domain == "":
                found.setdefault(nodes[0].op_type, []).append(case)
    return found


@pytest.mark.parametrize("op_type", OPERATIONS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_cut_equals_selection_on_the_cases_of(op_type: str) -> None:
    judged = [is_judged(*one) for case in cases().get(op_type, []) for one in bindings(case)]
    assert any(judged) or op_type in WITHOUT_CASES


def is_judged(proto: onnx.ModelProto, feeds: Values) -> bool:
    """Whether a case could be loaded and run; if so its cut is compared with its selection."""
    try:
        network = from_proto(proto, name="case", where="case.onnx", digest="")
        seed = crc32(proto.graph.name.encode())
        wanted = {spec.name: part(spec.shape, seed) for spec in network.outputs}
    except EdgecutError:
        return False
    ran, full = results(network, feeds)
    if ran is None:
        return False
    small = narrow(network, demand(network, wanted), wanted)
    got = ran(small, feeds)
    for name, value in full.items():
        for axis in range(value.ndim):
            places = wanted[name].axis(axis)
            value = value if places is None else np.take(value, places, axis=axis)
        assert_same(got[name], value, proto.graph.name)
    return True


def bindings(case: Any) -> Iterator[tuple[onnx.ModelProto, Values]]:
    """A case with all inputs but the first as constants, with the integers alone, with none."""
    values = {
        spec.name: numpy_helper.to_array(given) if isinstance(given, onnx.TensorProto) else given
        for spec, given in zip(case.model.graph.input, case.data_sets[0][0], strict=True)
    }
    rest = [name for name in list(values)[1:] if isinstance(values[name], np.ndarray)]
    whole = [name for name in rest if values[name].dtype.kind in "iub"]
    for constants in dict.fromkeys([tuple(rest), tuple(whole), ()]):
        proto = onnx.ModelProto()
        proto.CopyFrom(case.model)
        proto.opset_import[0].version = max(OLDEST, proto.opset_import[0].version)
        for spec in [spec for spec in proto.graph.input if spec.name in constants]:
            proto.graph.input.remove(spec)
            proto.graph.initializer.append(numpy_helper.from_array(values[spec.name], spec.name))
        yield proto, {name: v for name, v in values.items() if name not in constants}


def part(shape: tuple[int, ...], seed: int) -> Region:
    """A random part of a tensor: of some of its axes, one at least, some places."""
    random = np.random.default_rng(seed)
    axes = [i for i, size in enumerate(shape) if size > 1]
    region = Region()
    for i in [axis for axis in axes if random.integers(2)] or axes[:1]:
        count = int(random.integers(1, shape[i]))
        places = random.choice(shape[i], count, replace=False)
        region = region.with_axis(i, tuple(sorted(places.tolist())))
    return region


Runner = Callable[[Network, Values], Values]


def results(network: Network, feeds: Values) -> tuple[Runner | None, Values]:
    """The first runtime that runs a network, and what it gives."""
    for ran in (run, run_by_reference):
        try:
            return ran, ran(network, feeds)
        except Exception:  # whatever they do not implement
            continue
    return None, {}


def run_by_reference(network: Network, feeds: Values) -> Values:
    session = ReferenceEvaluator(network.to_proto())
    return dict(zip(session.output_names, session.run(None, dict(feeds)), strict=True))


def assert_same(got: np.ndarray, expected: np.ndarray, name: str) -> None:
    if expected.dtype.kind in "biuOSU":
        np.testing.assert_array_equal(got, expected, err_msg=name)
    else:
        wide = [value.astype(np.float64) for value in (got, expected)]
        np.testing.assert_allclose(*wide, rtol=1e-4, atol=1e-5, err_msg=name)
