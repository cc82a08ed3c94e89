"""The paper's planes done plainly: the whole volume rotated there and back, in float64."""

import numpy as np
from scipy import ndimage, special


def pixelwise(slices):
    """Three classes by a bumpy function of the grey value."""
    x = np.asarray(slices, np.float64)
    logits = np.stack([3 * np.sin(9 * x), 4 * x**2 - 1, 2 * np.cos(5 * x)], axis=1)
    return special.softmax(logits, axis=1)


def at(values, first, second, *, fill):
    """Interpolate (…, U, V) bilinearly; outside, 0 (fill) or what is nearest."""
    shape = values.shape[-2:]
    inside = np.ones(first.shape, bool)
    coordinates = []
    for c, n in zip((first, second), shape, strict=True):
        # a corner of the volume may lie on a pixel, where rounding must not decide
        inside &= (c > -1e-9) & (c < n - 1 + 1e-9)
        coordinates.append(np.clip(c, 0, n - 1))
    flat = values.reshape(-1, *shape)
    found = [ndimage.map_coordinates(v, coordinates, order=1) for v in flat]
    if fill:
        found = [v * inside for v in found]
    return np.reshape(found, (*values.shape[:-2], *first.shape))


def by_plane(predict, image, plane, stride=1):
    """Give what one plane says, (K, Z, Y, X), by rotating the whole volume there and back."""
    volume = image.astype(np.float64)
    others = None
    if plane.rotation_axis is not None:
        others = [a for a in range(3) if a != plane.rotation_axis]
        radians = np.deg2rad(plane.angle)
        matrix = np.array([[np.cos(radians), np.sin(radians)], [-np.sin(radians), np.cos(radians)]])
        matrix[abs(matrix) < 1e-15] = 0
        lines = np.moveaxis(volume, plane.rotation_axis, 0)
        size = np.array(lines.shape[1:])
        turned = np.maximum((abs(matrix) @ size + 0.5).astype(int), 1)
        middle, turned_middle = (size - 1) / 2, (turned - 1) / 2

        def mapped(transform, shape, start, end):
            index = np.indices(shape).reshape(2, -1).astype(float) - start[:, None]
            return (transform @ index + end[:, None]).reshape(2, *shape)

        volume = at(lines, *mapped(matrix, turned, turned_middle, middle), fill=True)
        volume = np.moveaxis(volume, 0, plane.rotation_axis)
    stack = np.moveaxis(volume, plane.stacking, 0)
    _, height, width = stack.shape
    padded = np.pad(stack, [(0, 0), (0, -height % stride), (0, -width % stride)])
    stack = np.asarray(predict(padded))[:, :, :height, :width]
    back = np.moveaxis(np.moveaxis(stack, 0, 1), 1, plane.stacking + 1)
    if others is None:
        return back
    lines = np.moveaxis(back, plane.rotation_axis + 1, 1)
    lines = at(lines, *mapped(matrix.T, size, middle, turned_middle), fill=False)
    return np.moveaxis(lines, 1, plane.rotation_axis + 1)
