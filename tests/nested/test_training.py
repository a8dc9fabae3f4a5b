"""The loop: the same seed gives the same bits, whatever stops it in between."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edgecut.errors import EdgecutError
from edgecut.nested import checkpoint, images, training
from edgecut.nested.batches import Batches
from edgecut.nested.checkpoint import Identity
from edgecut.nested.images import ImageSet
from edgecut.nested.recipe import TrainRecipe
from edgecut.nested.topology import network
from tests.nested.toys import DENSE, RECIPE, SCHEDULE, SIZE, STILL, TREE, scheduled

MINE = Identity(recipe="mine", data="mine")
EACH = 3
TOTAL = EACH * SCHEDULE.epochs
CPU = torch.device("cpu")

Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def sets(data: Path) -> dict[str, ImageSet]:
    return images.read(data, TREE, SIZE).splits


@pytest.fixture
def trained(sets: dict[str, ImageSet], tmp_path: Path) -> Callable[..., Weights]:
    """Trains, and gives the weights."""

    def train(recipe: TrainRecipe = RECIPE, folder: str = "run", **more: Any) -> Weights:
        (tmp_path / folder).mkdir(exist_ok=True)
        given = {"identity": MINE, **more}
        chosen = sets["train"], sets["val"], tmp_path / folder
        return dict(training.train(recipe, TREE, *chosen, **given).state_dict())

    return train


def equal(one: Weights, other: Weights) -> bool:
    return one.keys() == other.keys() and all(torch.equal(t, other[n]) for n, t in one.items())


class Stop:
    """Progress that is stopped at a step, as by Ctrl-C."""

    def __init__(self, step: int) -> None:
        self.step = step

    def __call__(self, stage: str, done: int, total: int) -> None:
        assert (stage, total) == ("train", TOTAL)
        if done == self.step:
            raise KeyboardInterrupt


# Deterministic.


@pytest.mark.parametrize(
    ("base", "precision"),
    [("resnet", "bfloat16"), ("mobilenet", "float32"), ("convnext", "float32")],
)
def test_the_same_seed_gives_the_same_weights(
    trained: Callable[..., Weights], base: str, precision: str
) -> None:
    recipe = scheduled(precision=precision)
    recipe = replace(recipe, network=replace(recipe.network, base=base))
    first = trained(recipe, "first")
    assert equal(first, trained(recipe, "second"))
    assert not equal(first, trained(replace(recipe, seed=4), "third"))
    assert all(torch.isfinite(t).all() for t in first.values())


def test_the_two_precisions_differ(
    trained: Callable[..., Weights], whole: tuple[Weights, Any]
) -> None:
    assert not equal(trained(scheduled(precision="bfloat16")), whole[0])


def test_batches_made_by_other_processes_are_the_same(sets: dict[str, ImageSet]) -> None:
    """A GPU's are."""
    batches = Batches(sets["train"], RECIPE)
    loader = torch.utils.data.DataLoader(
        batches, batch_size=None, sampler=range(1, len(batches)), num_workers=1
    )
    found = list(loader)
    assert len(found) == TOTAL - 1
    for step, (pixels, labels) in enumerate(found, 1):
        assert torch.equal(pixels, batches[step][0]) and torch.equal(labels, batches[step][1])


def test_an_epoch_shows_no_image_twice(sets: dict[str, ImageSet]) -> None:
    still = replace(RECIPE, augmentation=STILL)
    batches = Batches(sets["train"], still)
    assert (batches.each, len(batches)) == (EACH, TOTAL)
    epochs = [
        {bytes(image) for step in range(start, start + EACH) for image in batches[step][0].numpy()}
        for start in (0, EACH)
    ]
    assert [len(seen) for seen in epochs] == [24, 24]
    assert not torch.equal(batches[0][0], batches[EACH][0])
    loader = batches.since(2, CPU)
    assert torch.equal(next(iter(loader))[1], batches[2][1]) and loader.num_workers == 0


def test_every_image_of_every_step_has_its_own_draws(sets: dict[str, ImageSet]) -> None:
    one = sets["train"].only(np.zeros(len(sets["train"]), np.int64))
    batches = Batches(one, RECIPE)
    made = {bytes(image) for step in (0, 1, EACH) for image in batches[step][0].numpy()}
    assert len(made) == 3 * SCHEDULE.batch


@pytest.mark.parametrize(("cores", "workers"), [(1, 0), (4, 3), (64, 8)])
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_a_gpu_is_fed_by_other_processes(
    sets: dict[str, ImageSet], monkeypatch: pytest.MonkeyPatch, cores: int, workers: int
) -> None:
    monkeypatch.setattr("edgecut.nested.batches._cores", lambda: cores)
    loader = Batches(sets["train"], RECIPE).since(0, torch.device("cuda"))
    assert loader.num_workers == workers


# Stopped and gone on with.


@pytest.fixture(scope="module")
def whole(sets: dict[str, ImageSet], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Weights and log of a training that nothing stopped."""
    logs: list[Any] = []
    chosen = sets["train"], sets["val"], tmp_path_factory.mktemp("whole")
    net = training.train(RECIPE, TREE, *chosen, identity=MINE, note=lambda log: logs.append(log))
    return dict(net.state_dict()), logs[-1]


@pytest.mark.parametrize(
    ("seconds", "stop", "again"),
    [
        (0.0, 2, 2),  # the step that it was stopped in was not saved
        (0.0, EACH, EACH),
        (0.0, EACH + 2, EACH + 2),
        (0.0, TOTAL, TOTAL),
        (math.inf, 2, 1),
        (math.inf, EACH + 2, EACH + 1),
    ],
)
def test_a_stopped_training_goes_on_to_the_same_result(
    trained: Callable[..., Weights],
    whole: tuple[Weights, Any],
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    stop: int,
    again: int,
) -> None:
    """Weights and log, to the bit; saved at each step or each epoch, and stopped at one."""
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", seconds)
    logs: list[Any] = [[]]
    with pytest.raises(KeyboardInterrupt):
        trained(folder="stopped", tell=Stop(stop), note=logs.append)
    told: list[int] = []
    rest = trained(
        folder="stopped", tell=lambda stage, done, total: told.append(done), note=logs.append
    )
    assert (equal(rest, whole[0]), logs[-1]) == (True, whole[1])
    assert told == list(range(again, TOTAL + 1))


def test_one_stopped_again_and_again(
    trained: Callable[..., Weights],
    whole: tuple[Weights, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    for stop in range(2, TOTAL + 1):
        with pytest.raises(KeyboardInterrupt):
            trained(folder="stopped", tell=Stop(stop))
    assert equal(trained(folder="stopped"), whole[0])


def test_a_finished_training_takes_no_step(trained: Callable[..., Weights]) -> None:
    assert equal(trained(), trained(tell=lambda *_: pytest.fail("it took a step")))


def test_a_full_disk_costs_what_came_after_the_last_checkpoint(
    trained: Callable[..., Weights],
    whole: tuple[Weights, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    saved, room = checkpoint.save, [2]

    def save(path: Path, what: checkpoint.Checkpoint) -> None:
        room[0] -= 1
        if room[0] < 0:
            raise EdgecutError("the disk is full", code="cannot-save")
        saved(path, what)

    monkeypatch.setattr(checkpoint, "save", save)
    with pytest.raises(EdgecutError, match="the disk is full"):
        trained(folder="full")
    room[0] = TOTAL
    with pytest.raises(KeyboardInterrupt):
        trained(folder="full", tell=Stop(3))  # not 1: two steps were kept
    assert equal(trained(folder="full"), whole[0])


@pytest.mark.parametrize("other", [{"recipe": "other"}, {"data": "other"}])
def test_a_checkpoint_of_another_training_is_refused(
    trained: Callable[..., Weights], tmp_path: Path, other: dict[str, str]
) -> None:
    trained()
    before = (tmp_path / "run" / training.CHECKPOINT).read_bytes()
    with pytest.raises(EdgecutError, match="holds a training") as error:
        trained(identity=replace(MINE, **other))
    assert error.value.code == "other-recipe"
    assert (tmp_path / "run" / training.CHECKPOINT).read_bytes() == before


@pytest.mark.parametrize("what", ["another network", "a part of it", "other facts"])
def test_a_checkpoint_that_does_not_fit_is_refused(
    trained: Callable[..., Weights], tmp_path: Path, what: str
) -> None:
    path = tmp_path / "run" / training.CHECKPOINT
    trained()
    saved = checkpoint.load(path)
    tensors, facts = dict(saved.tensors), dict(saved.facts)
    if what == "a part of it":
        del tensors["average.stem.0.0.0.weight"]
    if what == "other facts":
        del facts["step"]
    checkpoint.save(path, checkpoint.Checkpoint(tensors=tensors, facts=facts))
    with pytest.raises(EdgecutError) as error:
        trained(replace(RECIPE, network=DENSE) if what == "another network" else RECIPE)
    assert error.value.code == "bad-checkpoint"
    assert str(path) in error.value.message


# What is learnt.


def test_colours_are_learnt(sets: dict[str, ImageSet], tmp_path: Path) -> None:
    """Of four categories on toys: far above a fourth, and the log says so."""
    logs: list[Any] = []
    recipe = replace(scheduled(epochs=12), augmentation=STILL)
    args = sets["train"], sets["val"], tmp_path
    net = training.train(recipe, TREE, *args, identity=MINE, note=lambda log: logs.append(log[-1]))
    assert [entry["epoch"] for entry in logs] == list(range(1, 13))
    assert logs[-1]["loss"] < logs[0]["loss"] / 2
    assert logs[-1]["val_top1"] >= 0.75
    scores = training.scores_of(net, sets["val"].images, batch=3)
    assert training.top1(scores, sets["val"].labels, TREE) == logs[-1]["val_top1"]
    assert np.allclose(scores, training.scores_of(net, sets["val"].images), atol=1e-5)


def test_the_result_is_the_average_of_what_was_passed(trained: Callable[..., Weights]) -> None:
    slow, fast = trained(scheduled(ema=0.9), "slow"), trained(scheduled(ema=0.0), "fast")
    assert not equal(slow, fast)
    last = checkpoint.load(
        Path(trained.__closure__[1].cell_contents) / "fast" / training.CHECKPOINT
    )  # type: ignore[index]
    assert equal(fast, {n: last.tensors[f"network.{n}"] for n in fast})


def test_a_teacher_is_listened_to_and_not_taught(trained: Callable[..., Weights]) -> None:
    torch.manual_seed(9)
    teacher = network(TREE, DENSE)
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    recipe = scheduled(teacher_weight=2.0)
    alone, taught = trained(recipe, "alone"), trained(recipe, "taught", teacher=teacher)
    assert not equal(alone, taught)
    assert equal(before, dict(teacher.state_dict()))
    assert equal(taught, trained(recipe, "again", teacher=teacher))
    assert equal(alone, trained(scheduled(), "unweighed", teacher=teacher))


def test_decay_is_for_what_holds_detail() -> None:
    state = training._fresh(RECIPE, TREE, CPU)
    decayed, others = state.optimiser.param_groups
    assert decayed["weight_decay"] == SCHEDULE.weight_decay and others["weight_decay"] == 0.0
    assert {p.ndim for p in decayed["params"]} == {2, 4}
    assert {p.ndim for p in others["params"]} == {1}


def test_without_a_leaf_to_judge_by_the_log_says_nothing(
    trained: Callable[..., Weights], sets: dict[str, ImageSet], tmp_path: Path
) -> None:
    logs: list[Any] = []
    inner = replace(sets["val"], labels=np.full(len(sets["val"]), TREE.names.index("pet")))
    for val in (inner, None, sets["val"].only(np.zeros(len(inner), bool))):
        folder = tmp_path / f"without {len(logs)}"
        folder.mkdir()
        training.train(
            scheduled(epochs=1), TREE, sets["train"], val, folder,
            identity=MINE, note=lambda log: logs.append(log[-1]),
        )  # fmt: skip
    assert [set(entry) for entry in logs] == [{"epoch", "loss"}] * 3


def test_a_loss_that_is_not_finite(trained: Callable[..., Weights], tmp_path: Path) -> None:
    recipe = scheduled(learning_rate=1e20, epochs=20, warmup_epochs=0.0)
    with pytest.raises(EdgecutError, match="not finite at step") as error:
        trained(replace(recipe, augmentation=STILL))
    assert error.value.code == "training-diverged"
    assert "learning_rate" in str(error.value.hint)
    assert not (tmp_path / "run" / training.CHECKPOINT).exists()


def test_fewer_images_than_a_batch(trained: Callable[..., Weights]) -> None:
    with pytest.raises(EdgecutError, match="29 training images do not fill a batch of 30") as error:
        trained(scheduled(batch=30))
    assert error.value.code == "bad-data"


def test_the_rate_warms_up_and_falls_to_nothing() -> None:
    schedule = replace(SCHEDULE, epochs=10, warmup_epochs=2.0, learning_rate=0.4)
    rates = [training.learning_rate(schedule, epoch / 10) for epoch in range(101)]
    assert 0 < rates[0] < 0.01
    assert rates[:20] == sorted(rates[:20]) and rates[20:] == sorted(rates[20:], reverse=True)
    assert rates[20] == max(rates) == pytest.approx(0.4)
    # Nor does it go beyond between these.
    assert training.learning_rate(schedule, 1.999) == 0.4
    assert rates[60] == pytest.approx(0.2)
    assert rates[100] == pytest.approx(0.0)
    warm = replace(schedule, warmup_epochs=10.0)
    assert training.learning_rate(warm, 10) == pytest.approx(0.4)
    assert training.learning_rate(replace(schedule, warmup_epochs=0.0), 0) == pytest.approx(0.4)


def test_pixels_are_scaled_alike() -> None:
    pixels = np.array([0, 127, 128, 255], np.uint8).reshape(1, 2, 2, 1).repeat(3, 3)
    found = training.to_input(pixels, CPU)
    assert found.shape == (1, 3, 2, 2)
    expected = (np.array([0, 127, 128, 255]) / 255 - 0.5) / 0.25
    np.testing.assert_allclose(found[0, 1].flatten(), expected, atol=1e-6)


def test_on_a_gpu_sums_keep_their_order() -> None:
    before = torch.are_deterministic_algorithms_enabled()
    with training._deterministic(torch.device("cuda")):
        assert torch.are_deterministic_algorithms_enabled()
    assert torch.are_deterministic_algorithms_enabled() == before
    with training._deterministic(CPU):
        assert torch.are_deterministic_algorithms_enabled() == before
