"""Training images, changed at random in ways that leave what they show."""

from __future__ import annotations

import io

import numpy as np

from edgecut.nested.recipe import Augmentation


def augmented(images: np.ndarray, how: Augmentation, random: np.random.Generator) -> np.ndarray:
    """Images (N, S, S, 3) uint8, each changed by its own draw from the generator."""
    # Every image takes the same number of draws, so that none depends on those before it.
    draws = random.random((len(images), 16))
    images = np.stack([_redrawn(image, how, own) for image, own in zip(images, draws, strict=True)])
    if how.colour:
        images = _coloured(images, 1 + how.colour * (2 * draws[:, 9:12] - 1))
    if how.shift:
        images = _shifted(images, how.shift, draws[:, 12:14])
    if how.cutout:
        _cut_out(images, how.cutout, draws[:, 14:16])
    return images


def _redrawn(image: np.ndarray, how: Augmentation, draws: np.ndarray) -> np.ndarray:
    """One image, flipped, cropped, made coarse and compressed, or not."""
    if how.flip and draws[0] < 0.5:
        image = image[:, ::-1]
    if how.scale < 1:
        image = _cropped(image, how.scale, draws[1:5])
    if draws[5] < how.rescale:
        image = _coarsened(image, 0.5 + 0.4 * draws[6])
    if draws[7] < how.jpeg:
        image = _compressed(image, int(30 + 60 * draws[8]))
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


def _coloured(images: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Saturation, contrast and brightness of each image, times its factors (N, 3)."""
    saturation, contrast, brightness = factors.T.astype(np.float32)[:, :, None, None, None]
    colours = images.astype(np.float32)
    grey = colours.mean(3, keepdims=True)
    colours = grey + (colours - grey) * saturation
    mean = grey.mean((1, 2), keepdims=True)
    colours = (mean + (colours - mean) * contrast) * brightness
    return np.clip(colours, 0, 255).astype(np.uint8)


def _shifted(images: np.ndarray, most: int, draws: np.ndarray) -> np.ndarray:
    """Each image moved by up to ``most`` pixels, its border mirrored."""
    side = images.shape[1]
    border = (most, most)
    padded = np.pad(images, ((0, 0), border, border, (0, 0)), "reflect")
    offsets = (draws * (2 * most + 1)).astype(int)
    return np.stack(
        [one[y : y + side, x : x + side] for one, (y, x) in zip(padded, offsets, strict=True)]
    )


def _cut_out(images: np.ndarray, extent: int, draws: np.ndarray) -> None:
    """A grey square in each image, in place (DeVries and Taylor 2017)."""
    corners = (draws * (images.shape[1] + 1)).astype(int) - extent // 2
    for image, (y, x) in zip(images, corners, strict=True):
        image[max(y, 0) : max(y + extent, 0), max(x, 0) : max(x + extent, 0)] = 128
