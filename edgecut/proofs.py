"""The proofs of a build: the cut beside the full network, every artifact beside the cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecut.agreement import NONE_CLEAR
from edgecut.artifact import Artifact
from edgecut.coded import with_margins
from edgecut.errors import EdgecutError
from edgecut.network import Network
from edgecut.opened import (
    Inputs,
    Selection,
    check_inputs,
    gains_taken,
    neutral_gains,
    random_inputs,
    running,
)
from edgecut.passes.tidy import tidy
from edgecut.progress import Tell
from edgecut.runtimes import RunningArtifact, open_runtime
from edgecut.source import SampleSource
from edgecut.verification import AGREES, Margins, Verification, verify_artifact, verify_cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """One artifact of a build, and how it compared with the cut network."""

    artifact: Artifact
    verification: Verification


def check_cut(
    full: Network,
    small: Network,
    selection: Selection,
    samples: SampleSource | None,
    tell: Tell,
) -> Verification:
    """The cut against the full network, both tidied: folding moves the last digits of both alike.

    Raises:
        EdgecutError: ``tidy-not-exact`` where tidying changes more of the full network than that,
            ``nothing-compared`` where it has values to compare and no choice of them is clear.
    """
    tidied = tidy(full)
    inputs = _counted(check_inputs(full, samples), tell, "check what tidying changes")
    told, margins = with_margins(full)
    with running(told) as before, running(tidied) as after:
        folded = verify_artifact(before, after, inputs, "float32", margins=margins)
    _require_compared(folded, full.name)
    if not folded.passed:
        raise EdgecutError(
            f"tidying changes {full.name} {_apart(folded)}",
            code="tidy-not-exact",
            hint="onnxsim folds it wrongly: please report the model",
        )
    inputs = _counted(check_inputs(full, samples), tell, "check the cut")
    told, margins = with_margins(tidied)
    taken = gains_taken(full, small)
    with running(told) as whole, running(small) as part:
        return verify_cut(whole, part, selection, inputs, margins=margins, inputs=taken)


def require_exact(check: Verification, what: str) -> None:
    """Raise ``cut-not-exact`` unless a cut gave the full network's numbers.

    Where the values of an output could not be compared, it is ``nothing-compared``.
    """
    _require_compared(check, what)
    if not check.passed:
        raise EdgecutError(
            f"the cut of {what} differs from the full network {_apart(check)}",
            code="cut-not-exact",
            hint="this is a defect of edgecut: please report the model",
        )


def _require_compared(check: Verification, what: str) -> None:
    outputs = [f"'{one.output}'" for one in check.choices if not one.clear]
    if outputs and all(fault.endswith(NONE_CLEAR) for fault in check.faults):
        raise EdgecutError(
            f"the values of {', '.join(outputs)} of {what} could not be compared: wherever the "
            "check looked, the best score and the next one lie too close together to tell which "
            "is the larger one",
            code="nothing-compared",
            hint="give --samples: images of which the network tells something",
        )


def _apart(check: Verification) -> str:
    if check.metric == AGREES:
        return f"in {1 - check.worst:.2%} of the values whose choice is clear ({check.where})"
    return (
        f"by {check.worst:.2g} of the largest value (tolerance {check.tolerance:.0e}; "
        f"{check.where})"
    )


def verify_all(
    folder: Path,
    network: Network,
    artifacts: Sequence[Artifact],
    samples: SampleSource | None,
    tell: Tell,
) -> list[Built]:
    """Every artifact on its own runtime against the network; a shared file runs once."""
    done: dict[str, Verification] = {}
    told, margins = with_margins(network)
    with running(told) as reference:
        for artifact in artifacts:
            if artifact.path not in done:
                done[artifact.path] = _verify(
                    folder, network, artifact, reference, margins, samples, tell
                )
    return [Built(artifact=a, verification=done[a.path]) for a in artifacts]


def _verify(
    folder: Path,
    network: Network,
    artifact: Artifact,
    reference: RunningArtifact,
    margins: Margins,
    samples: SampleSource | None,
    tell: Tell,
) -> Verification:
    """The verdict; without samples, on the better of two kinds of random input.

    A network is made for pixels of 0..1 or of 0..255, and gives noise for the other.
    """
    kinds = [check_inputs(network, samples)] if samples else random_inputs(network)
    verdicts = []
    for inputs in kinds:
        with open_runtime(
            folder / artifact.path, artifact.format, artifact.inputs, artifact.outputs, threads=2
        ) as runtime:
            verdicts.append(
                verify_artifact(
                    reference,
                    runtime,
                    _counted(inputs, tell, f"verify {artifact.path}"),
                    artifact.scheme,
                    categories=network.categories,
                    margins=margins,
                    neutral=neutral_gains(network),
                )
            )
    return next((verdict for verdict in verdicts if verdict.passed), verdicts[-1])


def _counted(inputs: Inputs, tell: Tell, stage: str) -> Inputs:
    tell(stage, 0, 0)
    for done, item in enumerate(inputs, start=1):
        yield item
        tell(stage, done, 0)
