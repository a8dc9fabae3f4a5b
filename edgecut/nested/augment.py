"""Training images, changed at random in ways that leave what they show."""

from __future__ import annotations

import io

import numpy as np

from edgecut.nested.recipe import Augmentation


def augmented(images: np.ndarray, how: Augmentation, random: np.random.Generator) -> np.ndarray:
    """Images (N, S, S, 3) uint8, each changed by its own draw from the generator."""
    return np.stack([_image(image, how, random) for image in images])


def _image(image: np.ndarray, how: Augmentation, random: np.random.Generator) -> np.ndarray:
    # Every image takes the same number of draws, so that none depends on those before it.
    draws = random.random(16)
    side = len(image)
    if how.flip and draws[0] < 0.5:
        image = image[:, ::-1]
    if how.scale < 1:
        image = _cropped(image, how.scale, draws[1:5])
    if draws[5] < how.rescale:
        image = _coarsened(image, 0.5 + 0.4 * draws[6])
    if draws[7] < how.jpeg:
        image = _compressed(image, int(30 + 60 * draws[8]))
    if how.colour:
        image = _coloured(image, 1 + how.colour * (2 * draws[9:12] - 1))
    if how.shift:
        dy, dx = (int(d * (2 * how.shift + 1)) for d in draws[12:14])
        padded = np.pad(image, ((how.shift, how.shift), (how.shift, how.shift), (0, 0)), "reflect")
        image = padded[dy : dy + side, dx : dx + side]
    if how.cutout:
        y, x = (int(d * (side + 1)) - how.cutout // 2 for d in draws[14:16])
        image = image.copy()
        image[max(y, 0) : max(y + how.cutout, 0), max(x, 0) : max(x + how.cutout, 0)] = 128
    return image


def _cropped(image: np.ndarray, smallest: float, draws: np.ndarray) -> np.ndarray:
    """A crop of this share of the side or more, a little stretched, at full size again."""
    from PIL import Image

    side = len(image)
    extent = side * (smallest + (1 - smallest) * draws[0])
    stretch = (4 / 3) ** ((2 * draws[1] - 1) / 2)
    width, height = min(side, extent * stretch), min(side, extent / stretch)
    left, top = (side - width) * draws[2], (side - height) * draws[3]
    box = (left, top, left + width, top + height)
    # PIL takes rows in order; a flipped view is not.
    opened = Image.fromarray(np.ascontiguousarray(image))
    return np.asarray(opened.resize((side, side), Image.Resampling.BILINEAR, box=box))


def _coarsened(image: np.ndarray, factor: float) -> np.ndarray:
    from PIL import Image

    side = len(image)
    small = max(8, round(side * factor))
    opened = Image.fromarray(np.ascontiguousarray(image))
    opened = opened.resize((small, small), Image.Resampling.BICUBIC)
    return np.asarray(opened.resize((side, side), Image.Resampling.BICUBIC))


def _compressed(image: np.ndarray, quality: int) -> np.ndarray:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def _coloured(image: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Saturation, contrast and brightness, each times its factor."""
    colours = image.astype(np.float32)
    grey = colours.mean(2, keepdims=True)
    colours = grey + (colours - grey) * factors[0]
    mean = grey.mean()
    colours = (mean + (colours - mean) * factors[1]) * factors[2]
    return np.clip(colours, 0, 255).astype(np.uint8)
