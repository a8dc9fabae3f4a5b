"""The study of networks made to be cut: trained, cut, judged and compared, by one command.

``python -m benchmarks.paper --help`` tells what it does; it takes about twelve hours of two cores.
"""

from __future__ import annotations

from typing import Any


def run() -> dict[str, Any]:
    """Train and judge whatever is missing, and give all results: what ``paper.json`` holds."""
    from benchmarks.paper import latency, report, trainings
    from benchmarks.paper.evaluation import evaluate
    from benchmarks.paper.study import Study

    study = Study()
    trainings.train(study, study.jobs())
    for subject in study.subjects():
        evaluate(subject)
        latency.time_all(subject)
    return report.write(study)
