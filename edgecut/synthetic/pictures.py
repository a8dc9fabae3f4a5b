"""Pictures made of numbers alone, with what photos have in common.

Large and small things that hide each other, with sharp edges ("dead leaves", Lee, Mumford and Huang
2001); shading, stripes, and noise whose amplitude falls with the frequency, as in natural scenes
(Field 1987); colours along the principal components of natural pixels; every contrast and
brightness. Nothing is learnt, and nothing is copied from an image.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SEED = 0

# Mean, standard deviations and directions of natural pixels, 0..1, as they are known of ImageNet
# (Krizhevsky et al. 2012, "PCA colour augmentation"). Columns: brightness, blue-yellow, green-red.
_MEAN = np.array([0.485, 0.456, 0.406])
_BASIS = np.array(
    [[0.5675, 0.7192, 0.4009], [0.5808, -0.0045, -0.8140], [0.5836, -0.6948, 0.4203]]
) * np.sqrt([0.2175, 0.0188, 0.0045])

_MOST_SHAPES = 60
# From so many shapes on, small ones outnumber large ones as they do in a scene.
_CROWD = 12
_LARGEST = 0.6  # radius, in shorter sides


def picture(index: int, height: int, width: int) -> NDArray[np.uint8]:
    """The picture of that number, RGB (height, width, 3); the same one every time."""
    random = np.random.default_rng([SEED, index])
    side = min(height, width)
    y = ((np.arange(height) + 0.5) / side)[:, None]
    x = ((np.arange(width) + 0.5) / side)[None]
    spread = random.uniform(0.4, 1.2)
    canvas = _fill(random, y, x, spread)
    if random.random() < 0.5:
        canvas += _clouds(random, height, width)
    for radius in _radii(random, side):
        _paste(random, canvas, y, x, radius, spread)
    return _developed(random, canvas)


def _colour(random: Generator, spread: float) -> Floats:
    return np.asarray(_MEAN + _direction(random, spread))


def _direction(random: Generator, spread: float) -> Floats:
    # Laplacian: most colours are dull, a few are loud.
    return np.asarray(_BASIS @ random.laplace(0.0, spread / np.sqrt(2), 3))


def _fill(random: Generator, y: Floats, x: Floats, spread: float) -> Floats:
    """A surface of one colour, with a pattern in another direction of colour."""
    colour = _colour(random, spread)
    return colour + _pattern(random, y, x)[:, :, None] * _direction(random, random.gamma(1.0, 0.35))


def _pattern(random: Generator, y: Floats, x: Floats) -> Floats:
    """Plain, shaded, rough or striped; standard deviation 1, or 0 for plain."""
    kind = random.choice(["plain", "shaded", "rough", "striped"])
    height, width = y.shape[0], x.shape[1]
    if kind == "plain" or min(height, width) < 3:
        return np.zeros((height, width))
    if kind == "rough":
        return _noise(random, height, width, random.uniform(0.6, 2.0))
    angle = random.uniform(0, 2 * np.pi)
    along = np.cos(angle) * x + np.sin(angle) * y
    if kind == "shaded":
        return np.asarray((along - along.mean()) / along.std())
    frequency = np.exp(random.uniform(np.log(1.5), np.log(12.0)))
    phase = random.uniform(0, 2 * np.pi)
    return np.asarray(np.sqrt(2) * np.sin(2 * np.pi * frequency * along + phase))


def _noise(random: Generator, height: int, width: int, slope: float) -> Floats:
    """Noise whose amplitude is 1 / frequency ** slope; mean 0, standard deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = np.inf
    real, imaginary = random.standard_normal((2, *frequency.shape))
    noise = np.fft.irfft2((real + 1j * imaginary) * frequency**-slope, (height, width))
    return np.asarray(noise / max(noise.std(), 1e-12))


def _clouds(random: Generator, height: int, width: int) -> Floats:
    """Noise in brightness, and less of it in the two directions of colour."""
    total = np.zeros((height, width, 3))
    for column, share in zip(_BASIS.T, (0.5, 0.35, 0.25), strict=True):
        amount = share * random.uniform(0.0, 1.2)
        noise = _noise(random, height, width, random.uniform(0.8, 1.6))
        total += amount * noise[:, :, None] * column
    return total


def _radii(random: Generator, side: int) -> Floats:
    """Radii of the shapes, in shorter sides; in one picture of seven there are none."""
    if random.random() > 0.85:
        return np.zeros(0)
    count = int(np.exp(random.uniform(0.0, np.log(_MOST_SHAPES)))) - 1
    if count <= _CROWD:
        return np.asarray(np.exp(random.uniform(np.log(0.06), np.log(0.5), count)))
    # Density falls with the third power of the radius: all sizes cover the same area.
    smallest = 1.5 / side
    shares = random.random(count)
    return np.asarray((smallest**-2 + (_LARGEST**-2 - smallest**-2) * shares) ** -0.5)


def _paste(
    random: Generator, canvas: Floats, y: Floats, x: Floats, radius: float, spread: float
) -> None:
    """Put a shape onto the canvas: a rhombus, an ellipse or nearly a rectangle, turned at will."""
    stretch = np.exp(random.normal(0.0, 0.4))
    angle = random.uniform(0.0, np.pi)
    power = random.choice([1, 2, 2, 6])
    middle_y, middle_x = random.uniform(0.0, y[-1, 0]), random.uniform(0.0, x[0, -1])
    side = min(canvas.shape[:2])
    reach = 1.5 * radius * max(stretch, 1 / stretch) + 1.5 / side
    rows = slice(*np.searchsorted(y[:, 0], [middle_y - reach, middle_y + reach]))
    columns = slice(*np.searchsorted(x[0], [middle_x - reach, middle_x + reach]))
    down, across = y[rows] - middle_y, x[:, columns] - middle_x
    u = (np.cos(angle) * across + np.sin(angle) * down) / (radius * stretch)
    v = (np.cos(angle) * down - np.sin(angle) * across) / (radius / stretch)
    away = (np.abs(u) ** power + np.abs(v) ** power) ** (1 / power)
    # An edge is one pixel wide, as that of a photo made smaller.
    cover = np.clip((1 - away) * radius * side + 0.5, 0.0, 1.0)[:, :, None]
    surface = _fill(random, y[rows], x[:, columns], spread)
    canvas[rows, columns] += cover * (surface - canvas[rows, columns])


def _developed(random: Generator, canvas: Floats) -> NDArray[np.uint8]:
    """The canvas as 8-bit pixels, with a contrast of its own and sometimes a camera's noise."""
    mean = canvas.mean((0, 1))
    canvas = mean + (canvas - mean) * np.exp(random.normal(-0.1, 0.35))
    if random.random() < 0.3:
        canvas = canvas + random.standard_normal(canvas.shape) * random.uniform(0.0, 0.05)
    return np.asarray(np.round(np.clip(canvas, 0.0, 1.0) * 255), dtype=np.uint8)
