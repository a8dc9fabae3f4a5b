"""Networks with fresh weights: what a recipe costs, really cut, before anything is trained."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.paper import networks
from benchmarks.paper.costs import averages, most, savings
from benchmarks.paper.study import DENSE, NESTED, Subject
from benchmarks.paper.summary import MACS, PARAMETERS
from edgecut.cost import cost
from edgecut.network import Network

COLUMNS = ("parameters_excluded", "macs_excluded", "parameters_vs_dense", "macs_vs_dense")


def costs(subject: Subject) -> str:
    """What a subject's networks cost, the best case, and averages by kind of case."""
    nested, dense = (network(subject, model) for model in (NESTED, DENSE))
    saved = savings(nested, dense, subject.cases)
    rows = [{"kind": c.kind, "case": c.name, **saved[c.name]} for c in subject.cases]
    best = most(rows, PARAMETERS, MACS)
    lines = [f"{subject.name}: nested {_told(nested)}, dense {_told(dense)}"]
    lines.append(
        f"    best case '{best['case']}': {best['parameters_excluded']:.1%} of the parameters and "
        f"{best['macs_excluded']:.1%} of the MACs excluded"
    )
    for over, means in averages(rows, COLUMNS).items():
        excluded, versus = ([means[c] or 0 for c in part] for part in (COLUMNS[:2], COLUMNS[2:]))
        lines.append(
            f"    {over:12s} excluded {excluded[0]:6.1%} {excluded[1]:6.1%}   "
            f"against dense {versus[0]:6.1%} {versus[1]:6.1%}"
        )
    return "\n".join(lines)


def _told(network: Network) -> str:
    found = cost(network)
    return f"{found.macs / 1e6:.2f} MMACs, {found.parameters / 1e3:.0f} k parameters"


def network(subject: Subject, model: str) -> Network:
    """The network of a subject's recipe as it is deployed, but for what its weights are."""
    from edgecut.nested.export import to_onnx
    from edgecut.nested.folder import MODEL
    from edgecut.nested.recipe import read
    from edgecut.nested.run import pixels_of
    from edgecut.nested.topology import network as untrained

    settings = read(subject.study.recipes / f"{subject.name}-{model}.toml")
    made = untrained(subject.taxonomy, settings.network).eval()
    with tempfile.TemporaryDirectory() as folder:
        data = to_onnx(made, pixels_of(settings), settings.size, source=settings.name)
        (Path(folder) / MODEL).write_bytes(data)
        return networks.opened(Path(folder))
