"""Which operations stay in float around gains."""

from __future__ import annotations

from edgecut.quantise.gained import Step, stays_float


def step(kind: str, makes: str, *reads: str) -> Step:
    return Step(kind=kind, reads=frozenset(reads), makes=(makes,))


BRANCH = [
    step("CONV_2D", "stem", "image"),
    step("SLICE", "gain", "gains"),
    step("RESHAPE", "factor", "gain"),
    step("CONV_2D", "made", "stem"),
    step("MUL", "features", "made", "factor"),
    step("CONV_2D", "child", "features"),
    step("MEAN", "mean", "child"),
    step("RESHAPE", "row", "mean"),
    step("FULLY_CONNECTED", "score", "row"),
    step("LOGISTIC", "scores", "score"),
]


def test_from_the_gains_to_what_they_scale_and_from_the_features_to_the_scores() -> None:
    kept = stays_float(BRANCH, gains="gains", outputs=["scores"])
    assert kept == ("gain", "factor", "features", "mean", "row", "score", "scores")


def test_products_before_the_last_one_stay_int8() -> None:
    deep = [*BRANCH[:-2], step("CONV_2D", "hidden", "row"), step("FULLY_CONNECTED", "s", "hidden")]
    assert stays_float(deep, gains="gains", outputs=["s"]) == ("gain", "factor", "features", "s")


def test_what_reads_scaled_features_is_not_scaling() -> None:
    pair = [
        step("MUL", "a", "image", "gains"),
        step("MUL", "b", "a", "image"),
        step("MUL", "c", "b", "gains"),
    ]
    assert stays_float(pair, gains="gains", outputs=[]) == ("a", "c")


def test_nothing_without_gains_or_outputs() -> None:
    assert stays_float(BRANCH[:1], gains="gains", outputs=["other"]) == ()
    assert stays_float([], gains="gains", outputs=["scores"]) == ()


def test_without_gains_only_the_scores() -> None:
    assert stays_float(BRANCH, outputs=["scores"]) == ("mean", "row", "score", "scores")
