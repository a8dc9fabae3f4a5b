"""The training loop: deterministic steps from a seed, which go on where a checkpoint ended."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from edgecut.errors import EdgecutError
from edgecut.nested import checkpoint
from edgecut.nested.allocator import freed_memory_kept
from edgecut.nested.batches import Batches
from edgecut.nested.checkpoint import Identity
from edgecut.nested.images import ImageSet
from edgecut.nested.judging import top1
from edgecut.nested.loss import TreeLoss
from edgecut.nested.recipe import Schedule, TrainRecipe
from edgecut.nested.topology import DenseNet, NestedNet
from edgecut.nested.topology import network as fresh_network
from edgecut.progress import Tell, nobody
from edgecut.taxonomy import Taxonomy

MEAN = 0.5
STD = 0.25
"""Pixels reach the network as (value / 255 - MEAN) / STD: int8 inputs hold them exactly."""

CHECKPOINT = "checkpoint.safetensors"
CHECKPOINT_SECONDS = 60.0
LARGEST_NORM = 5.0
"""Gradients longer than that are shortened."""

Log = list[dict[str, float]]


@dataclass(slots=True, kw_only=True)
class State:
    """Where a training stands: all that the next step depends on."""

    network: nn.Module
    average: dict[str, torch.Tensor]
    optimiser: torch.optim.SGD
    step: int = 0
    losses: float = 0.0  # of this epoch
    log: Log = field(default_factory=list)


def train(
    recipe: TrainRecipe,
    taxonomy: Taxonomy,
    train_set: ImageSet,
    val_set: ImageSet | None,
    folder: Path,
    *,
    identity: Identity,
    teacher: nn.Module | None = None,
    note: Callable[[Log], None] = lambda log: None,
    tell: Tell = nobody,
) -> NestedNet | DenseNet:
    """The trained network, with its averaged weights, on the CPU.

    Goes on from ``folder/checkpoint.safetensors`` where it is there, to the very same result on
    the same kind of machine with as many threads. ``note`` is given the log after every epoch.

    Raises:
        EdgecutError: ``other-recipe`` for a checkpoint of another recipe or other data,
            ``bad-checkpoint``, ``bad-data``, ``cannot-save``, ``training-diverged``.
    """
    batches = Batches(train_set, recipe)
    if not batches.each:
        raise EdgecutError(
            f"{len(train_set)} training images do not fill a batch of {recipe.schedule.batch}",
            code="bad-data",
            hint="lower 'batch' in the recipe's [schedule]",
        )
    place = device()
    with _deterministic(place), freed_memory_kept():
        state = _fresh(recipe, taxonomy, place)
        path = folder / CHECKPOINT
        if path.exists():
            _restore(state, checkpoint.load(path), identity, path)
        loss = TreeLoss(taxonomy, recipe.schedule).to(place)
        teacher = None if teacher is None else teacher.to(place).eval()
        saved = time.monotonic()
        for images, labels in batches.since(state.step, place):
            rate = learning_rate(recipe.schedule, state.step / batches.each)
            pixels = to_input(images, place)
            _step(state, loss, pixels, labels.to(place), rate, recipe.schedule, teacher)
            tell("train", state.step, len(batches))
            closes = state.step % batches.each == 0
            if closes:
                _close_epoch(state, batches.each, taxonomy, val_set, recipe, place)
                note(state.log)
            if closes or time.monotonic() - saved >= CHECKPOINT_SECONDS:
                checkpoint.save(path, _kept(state, identity))
                saved = time.monotonic()
        return averaged(state, recipe, taxonomy)


def device() -> torch.device:
    """Where networks are trained and judged: a GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def learning_rate(schedule: Schedule, epoch: float) -> float:
    """The rate at a (fractional) epoch: a linear warm-up, then half a cosine down to zero."""
    if epoch < schedule.warmup_epochs:
        # From a little above zero, so that the first step is one.
        return schedule.learning_rate * min(1.0, (epoch + 0.01) / schedule.warmup_epochs)
    span = max(schedule.epochs - schedule.warmup_epochs, 1e-9)
    return (
        schedule.learning_rate
        * (1 + math.cos(math.pi * (epoch - schedule.warmup_epochs) / span))
        / 2
    )


def to_input(images: np.ndarray | torch.Tensor, place: torch.device) -> torch.Tensor:
    """Network input (N, 3, S, S) of images (N, S, S, 3) uint8."""
    pixels = torch.as_tensor(images).to(place).permute(0, 3, 1, 2)
    return pixels.float().div_(255).sub_(MEAN).div_(STD)


def averaged(state: State, recipe: TrainRecipe, taxonomy: Taxonomy) -> NestedNet | DenseNet:
    """A network with the averaged weights, ready to be used."""
    network = fresh_network(taxonomy, recipe.network)
    network.load_state_dict({name: t.cpu() for name, t in state.average.items()})
    return network.eval()


@torch.inference_mode()
def scores_of(network: nn.Module, images: np.ndarray, *, batch: int = 256) -> np.ndarray:
    """Scores (N, nodes) of images (N, S, S, 3) uint8, N > 0, computed where the network is."""
    network.eval()
    place = next(network.parameters()).device
    parts = [
        network(to_input(images[i : i + batch], place)).float().cpu()
        for i in range(0, len(images), batch)
    ]
    return torch.cat(parts).numpy()


@contextlib.contextmanager
def _deterministic(place: torch.device) -> Iterator[None]:
    """The same sums in the same order, on a GPU too, where that is not the rule."""
    if place.type != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def _fresh(recipe: TrainRecipe, taxonomy: Taxonomy, place: torch.device) -> State:
    torch.manual_seed(recipe.seed)
    network = fresh_network(taxonomy, recipe.network)
    network = network.to(place, memory_format=torch.channels_last)
    # Normalisation and biases are few and hold no detail to decay.
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    optimiser = torch.optim.SGD(
        [
            {"params": decayed, "weight_decay": recipe.schedule.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=recipe.schedule.learning_rate,
        momentum=recipe.schedule.momentum,
        nesterov=recipe.schedule.momentum > 0,
    )
    average = {name: t.detach().clone() for name, t in network.state_dict().items()}
    return State(network=network, average=average, optimiser=optimiser)


def _step(
    state: State,
    loss: TreeLoss,
    pixels: torch.Tensor,
    labels: torch.Tensor,
    rate: float,
    schedule: Schedule,
    teacher: nn.Module | None,
) -> None:
    for group in state.optimiser.param_groups:
        group["lr"] = rate
    state.network.train()
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    half = schedule.precision == "bfloat16"
    with torch.autocast(pixels.device.type, dtype=torch.bfloat16, enabled=half):
        scores = state.network(pixels)
        with torch.no_grad():
            taught = None if teacher is None else teacher(pixels)
    value = loss(scores, labels, taught)
    state.optimiser.zero_grad(set_to_none=True)
    value.backward()
    norm = nn.utils.clip_grad_norm_(state.network.parameters(), LARGEST_NORM)
    if not (torch.isfinite(value) and torch.isfinite(norm)):
        raise EdgecutError(
            f"the loss or its gradient is not finite at step {state.step + 1}",
            code="training-diverged",
            hint="lower 'learning_rate' in the recipe's [schedule], and give another --out",
        )
    state.optimiser.step()
    state.step += 1
    state.losses += float(value.detach())
    _average(state, schedule.ema)


@torch.no_grad()
def _average(state: State, decay: float) -> None:
    # Early weights say little: the average grows as long as the training is.
    weight = 1 - min(decay, (1 + state.step) / (10 + state.step))
    for name, tensor in state.network.state_dict().items():
        if tensor.is_floating_point():
            state.average[name].lerp_(tensor, weight)
        else:  # a count of batches
            state.average[name].copy_(tensor)


def _close_epoch(
    state: State,
    batches: int,
    taxonomy: Taxonomy,
    val_set: ImageSet | None,
    recipe: TrainRecipe,
    place: torch.device,
) -> None:
    entry = {"epoch": state.step / batches, "loss": state.losses / batches}
    if val_set is not None and len(val_set):
        network = averaged(state, recipe, taxonomy).to(place)
        value = top1(scores_of(network, val_set.images), val_set.labels, taxonomy)
        if not math.isnan(value):  # where no label is a leaf
            entry["val_top1"] = value
    state.log.append(entry)
    state.losses = 0.0


def _kept(state: State, identity: Identity) -> checkpoint.Checkpoint:
    tensors = {f"network.{n}": t for n, t in state.network.state_dict().items()}
    tensors |= {f"average.{n}": t for n, t in state.average.items()}
    tensors |= {f"momentum.{n}": t for n, t in _momenta(state)}
    facts = identity.facts | {"step": state.step, "losses": state.losses, "log": state.log}
    return checkpoint.Checkpoint(tensors=tensors, facts=facts)


def _momenta(state: State) -> Iterator[tuple[str, torch.Tensor]]:
    for name, parameter in state.network.named_parameters():
        momentum = state.optimiser.state.get(parameter, {}).get("momentum_buffer")
        if momentum is not None:
            yield name, momentum


def _restore(state: State, saved: checkpoint.Checkpoint, identity: Identity, path: Path) -> None:
    identity.check(saved.facts, path)
    try:
        _take(state, saved)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise checkpoint.unfit(path, error) from error


def _take(state: State, saved: checkpoint.Checkpoint) -> None:
    facts: dict[str, Any] = dict(saved.facts)
    part: dict[str, dict[str, torch.Tensor]] = {"network": {}, "average": {}, "momentum": {}}
    for key, tensor in saved.tensors.items():
        kind, _, name = key.partition(".")
        part[kind][name] = tensor
    state.network.load_state_dict(part["network"])
    for name, tensor in state.average.items():
        tensor.copy_(part["average"][name])
    for name, parameter in state.network.named_parameters():
        if name in part["momentum"]:
            # In the parameter's own memory format, so that the sums come out the same.
            buffer = torch.empty_like(parameter).copy_(part["momentum"][name])
            state.optimiser.state[parameter]["momentum_buffer"] = buffer
    state.step, state.losses, state.log = facts["step"], facts["losses"], list(facts["log"])
