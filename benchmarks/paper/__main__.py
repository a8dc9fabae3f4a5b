"""``python -m benchmarks.paper [STEP ...]``: the study, all of it by default.

Steps: ``data`` writes the data sets, ``train`` the networks, ``evaluate`` what is found out about
them, ``latency`` times networks with fresh weights, ``report`` writes paper.json, tables and
plots. Each does only what is not done yet, and goes on where it was stopped; paper.json keeps the
rows that it has of what was not found out anew. ``latency`` wants an idle machine and half an
hour, and nothing that is trained; run again it measures anew what was not valid. ``costs`` cuts
networks with fresh weights; ``status`` lists the networks; ``render`` writes tables and plots from
paper.json.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.models import RESULTS, SHARED
from benchmarks.paper.study import RECIPES, RUNS, Study

STEPS = ("data", "train", "evaluate", "latency", "report")
ASIDE = ("status", "costs", "render")


def main() -> None:
    """Carry out the steps."""
    given = _parsed()
    study = Study(
        runs=given.runs, recipes=given.recipes, shared=given.shared, data_folder=given.data
    )
    if not study.jobs(given.only):
        sys.exit(f"nothing is called {', '.join(given.only)}: `status` lists all names")
    for step in given.steps or STEPS:
        _carry_out(step, study, given)


def _carry_out(step: str, study: Study, given: argparse.Namespace) -> None:
    from benchmarks.paper import data, evaluation, fresh, latency, report, trainings

    _limit_threads(given.threads)
    if step == "data":
        for name in dict.fromkeys(subject.data for subject in study.subjects(given.only)):
            data.prepare(study, name)
    elif step == "train":
        trainings.train(study, study.jobs(given.only))
    elif step == "evaluate":
        for subject in study.subjects(given.only):
            evaluation.evaluate(subject, given.parts)
    elif step == "latency":
        for subject in study.subjects(given.only):
            latency.time_all(subject)
            report.write(study, given.results)
    elif step == "report":
        for row in report.write(study, given.results)["summary"]:
            by = f"NOT MET, but by {len(row['met_by'])} of {len(row['reached'])}"
            print(f"{row['figure']}: {row['asked']}: {'met' if row['met'] else by}")
            for name, text in row["reached"].items():
                print(f"    {name}: {text}")
    elif step == "status":
        print(trainings.standing(study.jobs(given.only)))
    elif step == "costs":
        for subject in study.subjects(given.only):
            print(fresh.costs(subject), flush=True)
    else:
        report.render(given.results)


def _limit_threads(threads: int | None) -> None:
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.paper",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("steps", nargs="*", choices=[*STEPS, *ASIDE, []], metavar="STEP")
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder of run folders")
    parser.add_argument("--recipes", type=Path, default=RECIPES, help="folder of recipes")
    parser.add_argument("--data", type=Path, help="folder of NAME.parquet; RUNS/data by default")
    parser.add_argument("--shared", type=Path, default=SHARED, help="where the data comes from")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of paper.json")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="networks to train, subjects to evaluate: a name, what it begins with up to a dash, "
        "or a pattern with *; may be given several times",
    )
    parser.add_argument(
        "--parts",
        type=lambda text: text.split(","),
        default=[],
        help="of evaluate: accuracy, int8, attention",
    )
    parser.add_argument("--threads", type=int, help="threads of torch")
    return parser.parse_args()


if __name__ == "__main__":
    main()
