"""Boxes that a 3D network learns from, and is judged by."""

import numpy as np
import pytest
import torch
from srseg_fcn3d._boxes import BoxSampler, read_box
from srseg_fcn3d._validation import ValidationBoxes

from srseg.errors import TrainingError
from srseg.training import LabelledVolume


def make_volume(shape=(40, 36, 44), rare=True, weight=1.0):
    """Grey values that say which class a voxel has; the third class is one small cube."""
    classes = np.zeros(shape, np.uint8)
    classes[: shape[0] // 2] = 1
    if rare:
        classes[-4:, -4:, -4:] = 2
    return LabelledVolume(0.2 + 0.3 * classes.astype(np.float32), classes, "A", weight=weight)


def test_each_class_is_in_its_share_of_boxes_and_each_box_is_a_function_of_its_number():
    sampler = BoxSampler([make_volume()], 16, True, 0)
    drawn = [sampler.draw(5, [number]) for number in range(60)]
    rare = np.mean([bool((batch.classes == 2).any()) for batch in drawn])
    assert 0.25 < rare < 0.55  # a third, and those that have it by chance
    together = BoxSampler([make_volume()], 16, True, 0).draw(5, [7, 3])
    for i, number in enumerate((7, 3)):
        torch.testing.assert_close(together.images[i], drawn[number].images[0], rtol=0, atol=0)
        assert torch.equal(together.classes[i], drawn[number].classes[0])
    other = sampler.draw(6, [7])
    assert not torch.equal(other.images[0], drawn[7].images[0])


@pytest.mark.parametrize("augment", [False, True])
def test_image_and_labels_are_varied_together(augment):
    sampler = BoxSampler([make_volume()], 16, augment, 1)
    seen = set()
    for number in range(20):
        batch = sampler.draw(0, [number])
        image, classes = batch.images[0, 0].numpy(), batch.classes[0].numpy()
        grey = [np.unique(image[classes == k].round(5)) for k in np.unique(classes)]
        assert all(len(values) == 1 for values in grey)
        seen.add(tuple(float(values[0]) for values in grey))
        if 1 in classes and 0 in classes:
            edges = [np.any(np.diff(classes.astype(int), axis=axis)) for axis in range(3)]
            assert augment or edges[0]
    assert (len(seen) > 6) is augment  # without, three grey values in a few compositions


def test_a_volume_smaller_than_a_box_stands_in_its_middle_and_the_rest_is_unlabelled():
    volume = make_volume((10, 36, 13), rare=False)
    batch = BoxSampler([volume], 16, False, 0).draw(0, range(4))
    for image, classes in zip(batch.images[:, 0], batch.classes, strict=True):
        there = np.zeros((16, 16, 16), bool)
        there[3:13, :, 1:14] = True
        np.testing.assert_array_equal(classes.numpy() != 255, there)
        np.testing.assert_array_equal(image.numpy() != 0, there)


def test_it_is_judged_on_boxes_like_those_it_learns_from():
    volume = make_volume((10, 36, 13), rare=False)
    volume.classes[:, :20] = 255
    seen = []

    class Looking(torch.nn.Module):
        def forward(self, x):
            seen.append(x[0, 0].numpy().copy())
            return torch.zeros((1, 2, *x.shape[2:]))

    _, counts = ValidationBoxes([volume], 16).score(Looking(), 2, torch.device("cpu"))
    there = np.zeros((16, 16, 16), bool)
    there[3:13, :, 1:14] = True
    assert len(seen) == 2  # of three beside each other, those with labels
    for image in seen:
        np.testing.assert_array_equal(image != 0, there)
    assert counts.sum() == 10 * (12 + 16) * 13


def test_samples_that_count_more_are_drawn_more_often():
    light, heavy = make_volume(rare=False), make_volume(rare=False, weight=4.0)
    heavy.image[:] += 0.01
    sampler = BoxSampler([light, heavy], 16, False, 0)
    images = sampler.draw(0, range(200)).images
    share = float(np.mean([float(image.max()) * 100 % 10 > 0.5 for image in images]))
    assert 0.7 < share < 0.9


def test_without_labels_there_is_nothing_to_learn():
    empty = LabelledVolume(np.zeros((8, 8, 8), np.float32), np.full((8, 8, 8), 255, np.uint8), "B")
    with pytest.raises(TrainingError, match="no volume has a labelled voxel"):
        BoxSampler([empty], 16, True, 0)
    with pytest.raises(TrainingError, match="B has no labelled voxel"):
        ValidationBoxes([empty], 16)


def test_a_network_is_judged_by_what_is_labelled():
    volume = make_volume((16, 16, 40))
    volume.classes[:, :, :5] = 255
    boxes = ValidationBoxes([volume], 16)

    class Perfect(torch.nn.Module):
        def forward(self, x):
            position = ((x - 0.2) / 0.3).round().long()[:, 0]
            return 20.0 * torch.nn.functional.one_hot(position, 3).movedim(-1, 1).float()

    loss, counts = boxes.score(Perfect(), 3, torch.device("cpu"))
    assert loss < 1e-6
    assert np.count_nonzero(counts - np.diag(np.diag(counts))) == 0
    # the last box ends with the volume, and shows again what the one before showed
    assert counts.sum() == 3 * 16**3 - 5 * 16**2
    shown = sum(np.count_nonzero(read_box(volume, (0, 0, x), 16)[1] == 2) for x in (0, 16, 24))
    assert counts[2, 2] == shown == 4**3
