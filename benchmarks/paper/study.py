"""What the study trains, and where it all lies.

A *subject* is a base on a data set: a nested network, its dense baseline, and specialists, each
trained by a *job* from ``recipes/DATA-BASE-MODEL.toml`` into a run folder of its own. Subjects are
what there are recipes of, so another folder of recipes is another study.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from benchmarks.models import ROOT, SHARED
from benchmarks.paper.cases import Case, cases, chosen
from edgecut.nested.plan import Plan, planned
from edgecut.nested.recipe import read
from edgecut.taxonomy import Taxonomy

RECIPES = Path(__file__).resolve().parent / "recipes"
RUNS = ROOT.parent / "runs" / "paper"
NESTED, DENSE = "nested", "dense"
SPECIALISTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One training: of a recipe, of all categories or those in ``keep``."""

    name: str
    recipe: Path
    folder: Path
    data: str
    keep: tuple[str, ...] = ()
    teacher: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Study:
    """A folder of recipes, and the folders of its data and its runs.

    ``data`` holds ``NAME.parquet`` for each data set; those of the paper are made there where
    they are missing.
    """

    runs: Path = RUNS
    recipes: Path = RECIPES
    shared: Path = SHARED
    data_folder: Path | None = None

    @property
    def data(self) -> Path:
        """Where the data sets are."""
        return self.data_folder or self.runs / "data"

    def subjects(self, only: Sequence[str] = ()) -> list[Subject]:
        """The subjects of which a job is chosen; all by default."""
        return [subject for subject in self._all() if any(subject.jobs(only))]

    def jobs(self, only: Sequence[str] = ()) -> list[Job]:
        """The trainings, in the order in which they are of use."""
        return [job for subject in self._all() for job in subject.jobs(only)]

    def _all(self) -> Iterator[Subject]:
        for recipe in sorted(self.recipes.glob(f"*-{NESTED}.toml")):
            data, base, _ = recipe.stem.rsplit("-", 2)
            yield Subject(study=self, data=data, base=base)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A base on a data set."""

    study: Study
    data: str
    base: str

    @property
    def name(self) -> str:
        """DATA-BASE."""
        return f"{self.data}-{self.base}"

    @property
    def parquet(self) -> Path:
        """The images."""
        return self.study.data / f"{self.data}.parquet"

    @property
    def results(self) -> Path:
        """The folder of what was found out about it."""
        return self.study.runs / "results" / self.name

    def folder(self, model: str) -> Path:
        """The run folder of ``nested``, ``dense`` or ``specialist-2``."""
        return self.study.runs / f"{self.name}-{model}"

    @cached_property
    def plan(self) -> Plan:
        """What the nested network's recipe says, and the categories that it names."""
        return planned(self._path(NESTED))

    @property
    def taxonomy(self) -> Taxonomy:
        """The categories of its networks."""
        return self.plan.whole

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """What it is cut to; the same for every base."""
        return cases(self.taxonomy)

    @property
    def specialised(self) -> tuple[Case, ...]:
        """The keep-lists that specialists are trained for."""
        return chosen(self.cases, "list", SPECIALISTS)

    def jobs(self, only: Sequence[str] = ()) -> Iterator[Job]:
        """Its trainings; those whose name, or its beginning up to a dash, fits a pattern."""
        for model in (DENSE, NESTED):
            teacher = None
            recipe = self._path(model)
            if model == NESTED and read(recipe).schedule.teacher_weight:
                teacher = self.folder(DENSE)
            yield from self._job(model, recipe, only, teacher=teacher)
        for number, case in enumerate(self.specialised):
            yield from self._job(f"specialist-{number}", self._path(DENSE), only, keep=case.keep)

    def _job(
        self,
        model: str,
        recipe: Path,
        only: Sequence[str],
        *,
        keep: tuple[str, ...] = (),
        teacher: Path | None = None,
    ) -> Iterator[Job]:
        name = f"{self.name}-{model}"
        if not only or any(fits(name, pattern) for pattern in only):
            yield Job(
                name=name,
                recipe=recipe,
                folder=self.folder(model),
                data=self.data,
                keep=keep,
                teacher=teacher,
            )

    def _path(self, model: str) -> Path:
        return self.study.recipes / f"{self.name}-{model}.toml"


def fits(name: str, pattern: str) -> bool:
    """Whether a pattern is a name, or what it begins with up to a dash; ``*`` stands for any."""
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}-*")
