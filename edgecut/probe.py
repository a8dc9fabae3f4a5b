"""The peak of a runtime on this machine: networks of products alone, built, emitted and timed.

The probes go the way of any network, through the same emitters and quantisers, so that what they
reach is what a network could reach at best: a peak of the runtime's kernels, not of the chip.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecut.cost import cost
from edgecut.loaders.onnx_file import from_proto
from edgecut.measure.bandwidth import Bandwidth, read_bandwidth
from edgecut.measure.contender import Contender
from edgecut.measure.latency import spec_of
from edgecut.measure.measurement import read_report
from edgecut.measure.peak import MeasuredPeak, Probe, peak_of
from edgecut.network import Network, digest_of
from edgecut.produce import Tensors, produce
from edgecut.progress import Tell, nobody

if TYPE_CHECKING:
    from edgecut.target import Target

SCHEMES = ("float32", "int8")
WARM_UP_S = 0.3
SAMPLES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Convolutions with as many channels in as out, each with a ReLU, on square images."""

    kernel: int
    channels: int
    size: int
    layers: int

    @property
    def name(self) -> str:
        """For example ``conv1x1-256@32``."""
        return f"conv{self.kernel}x{self.kernel}-{self.channels}@{self.size}"


# A 1x1 convolution is a product of a (pixels, channels) and a (channels, channels) matrix. Measured
# on x86-64: int8 halves as soon as an image and its result leave the second-level cache, and 3x3
# is the best for it, 1x1 for float32. Small images suit small caches, large ones many cores.
CHAINS = (
    Chain(kernel=1, channels=256, size=32, layers=4),
    Chain(kernel=1, channels=256, size=16, layers=12),
    Chain(kernel=3, channels=128, size=28, layers=3),
    Chain(kernel=3, channels=128, size=14, layers=8),
)


def probe_spec(
    probes: Sequence[Probe],
    *,
    threads: int,
    duration_s: float = 0.5,
    pin: Sequence[int] | None = None,
) -> dict[str, Any]:
    """What ``device.py bench`` is told to run the probes and time the memory, here or elsewhere.

    Args:
        probes: of one target.
        threads: CPU threads of the runtime, and of what copies and reads memory.
        duration_s: seconds to measure each probe for; they run in turn.
        pin: the only cores that may be used.

    Raises:
        EdgecutError: ``bad-measurement``.
    """
    spec = spec_of(
        [probe.contender for probe in probes],
        threads=threads,
        duration_s=duration_s,
        warm_up_s=WARM_UP_S,
        starts=1,  # the best burst counts, and others only take longer
        pin=pin,
    )
    return {**spec, "cached_compile": False, "bandwidth_threads": threads}


def read_probes(
    report: Mapping[str, Any], probes: Sequence[Probe]
) -> tuple[MeasuredPeak, Bandwidth]:
    """The peak of the runtime and the bandwidth of the memory, where the probes ran.

    Raises:
        EdgecutError: ``bad-report``, ``bad-measurement``.
    """
    measured = read_report(report, [probe.contender for probe in probes])
    return peak_of(probes, measured), read_bandwidth(report["bandwidth"])


def write_probes(
    target: Target, folder: Path, *, schemes: Sequence[str] | None = None, tell: Tell = nobody
) -> list[Probe]:
    """The artifacts of all probes, in a folder: to measure here, or to copy to a device.

    Raises:
        EdgecutError: what ``produce`` raises.
    """
    chosen = [s for s in SCHEMES if s in target.schemes] if schemes is None else schemes
    wanted = [(chain, scheme) for scheme in chosen for chain in CHAINS]
    probes = []
    for done, (chain, scheme) in enumerate(wanted):
        tell("build the probes", done, len(wanted))
        probes.append(_written(chain, scheme, target, folder))
    tell("build the probes", len(wanted), len(wanted))
    return probes


def _written(chain: Chain, scheme: str, target: Target, folder: Path) -> Probe:
    network = network_of(chain)
    samples = Tensors(_images(chain)) if scheme == "int8" else None
    emitted = produce(network, target, scheme, samples)
    name = f"{scheme} {chain.name}"
    stem = name.replace(" ", "-")
    for suffix, content in emitted.files.items():
        (folder / f"{stem}{suffix}").write_bytes(content)
    contender = Contender(
        name=name,
        path=folder / f"{stem}{next(iter(emitted.files))}",
        format=emitted.format,
        inputs=emitted.inputs,
        outputs=emitted.outputs,
        device=target.device,
    )
    return Probe(contender=contender, scheme=scheme, macs=cost(network).macs)


@cache
def network_of(chain: Chain) -> Network:
    """The network of a chain; the same one every time."""
    from onnx import TensorProto, helper, numpy_helper

    shape = (1, chain.channels, chain.size, chain.size)
    nodes = []
    for i in range(chain.layers):
        pads = [chain.kernel // 2] * 4
        nodes += [
            helper.make_node("Conv", [f"image{i}", f"weights{i}"], [f"sum{i}"], pads=pads),
            helper.make_node("Relu", [f"sum{i}"], [f"image{i + 1}"]),
        ]
    ends = [
        helper.make_tensor_value_info(f"image{i}", TensorProto.FLOAT, shape)
        for i in (0, chain.layers)
    ]
    weights = [
        numpy_helper.from_array(_weights(chain, i), f"weights{i}") for i in range(chain.layers)
    ]
    graph = helper.make_graph(nodes, chain.name, ends[:1], ends[1:], weights)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    data = proto.SerializeToString(deterministic=True)
    return from_proto(proto, name=chain.name, where=chain.name, digest=digest_of(data))


def _weights(chain: Chain, seed: int) -> np.ndarray:
    """Normal weights that keep the size of values from layer to layer (He et al. 2015)."""
    shape = (chain.channels, chain.channels, chain.kernel, chain.kernel)
    fan_in = chain.channels * chain.kernel**2
    drawn = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    return np.asarray(drawn * np.float32((2 / fan_in) ** 0.5))


def _images(chain: Chain) -> list[np.ndarray]:
    """Samples for int8: as ``device.py bench`` feeds, uniform in [0, 1)."""
    shape = (1, chain.channels, chain.size, chain.size)
    drawn = np.random.default_rng(0)
    return [drawn.random(shape, dtype=np.float32) for _ in range(SAMPLES)]
