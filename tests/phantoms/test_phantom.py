"""Phantoms: same seed, same bytes; all classes; real masks are used; beamlines differ."""

import numpy as np
import pytest
from scipy import ndimage

from srseg.errors import ParameterError, UnknownNameError
from srseg.labels import DEFAULT_LABELS
from srseg.phantoms import I13_2, P05, attenuation, make_phantom
from srseg.phantoms._degradation import corrode
from srseg.phantoms._implant import Implant
from srseg.phantoms._noise import stream
from srseg.volumes import Sample

SMALL = (48, 48, 48)


def arrays(phantom):
    return np.asarray(phantom.scan), np.asarray(phantom.truth), np.asarray(phantom.wf)


@pytest.fixture(scope="module")
def phantom():
    return make_phantom(11, (96, 96, 96))


def test_same_seed_gives_same_bytes_and_another_seed_others():
    first, again, other = (arrays(make_phantom(s, SMALL)) for s in (3, 3, 4))
    for one, same, different in zip(first, again, other, strict=True):
        assert one.tobytes() == same.tobytes()
        assert np.mean(one != different) > 0.05


@pytest.mark.parametrize("seed", [0, 7, 123])
@pytest.mark.parametrize("shape", [SMALL, (56, 48, 70), (44, 80, 61), (40, 40, 40)])
@pytest.mark.parametrize("implant", ["screw", "pin"])
def test_all_classes_are_there_at_any_shape(seed, shape, implant):
    scan, truth, wf = arrays(make_phantom(seed, shape, implant=implant))
    assert scan.shape == truth.shape == wf.shape == shape
    for labels in (truth, wf):
        share = np.bincount(labels.ravel(), minlength=4) / labels.size
        assert share.size == 4
        assert (share > 0.004).all(), share


def test_types_grids_tables_and_sample(phantom):
    assert phantom.scan.dtype == np.uint16
    assert not phantom.scan.normalised
    assert phantom.scan.table is None
    for labels in (phantom.truth, phantom.wf):
        assert labels.dtype == np.uint8
        assert labels.table == DEFAULT_LABELS
        assert labels.grid == phantom.scan.grid
    sample = phantom.sample("A", subject="rat 1")
    assert isinstance(sample, Sample)
    assert (sample.name, sample.subject, sample.target) == ("A", "rat 1", "WF")
    assert sample.labels() is phantom.wf
    assert sample.labels("HQ") is phantom.truth
    assert sample.metadata["alloy"] == "Mg-5Gd"


def test_grey_values_are_raw_and_not_clipped(phantom):
    scan = np.asarray(phantom.scan)
    assert 1000 < scan.min() < scan.max() < 64000


def test_layers_lie_in_order_and_bone_touches_part_of_the_implant(phantom):
    truth = np.asarray(phantom.truth)
    metal, implant = truth == 3, truth >= 2
    around_metal = ndimage.binary_dilation(metal) & ~metal
    # corrosion lies between metal and bone everywhere
    assert np.mean(truth[around_metal] == 1) < 0.001
    around_implant = ndimage.binary_dilation(implant) & ~implant
    assert 0.1 < np.mean(truth[around_implant] == 1) < 0.9


def test_grey_values_of_the_layer_overlap_those_of_metal_and_bone(phantom):
    scan, truth, _ = arrays(phantom)
    inner = [ndimage.binary_erosion(truth == k) for k in range(4)]
    background, bone, layer, metal = (np.median(scan[m]) for m in inner)
    assert background < bone < layer < metal
    values = scan[inner[2]]
    # no threshold tells them apart: many voxels of the layer are as bright as metal or as bone
    assert np.mean(values > np.percentile(scan[inner[3]], 5)) > 0.10
    assert np.mean(values < np.percentile(scan[inner[1]], 95)) > 0.50


def test_the_layer_runs_from_metal_outwards_to_bone():
    body = Implant.place("screw", (96, 96, 96), stream(0, 0))
    corrosion = corrode(body.depth((slice(0, 96),) * 3), body.radius, 1.0, stream(0, 9))
    depth = body.depth((slice(0, 96),) * 3)[corrosion.layer]
    grade = corrosion.grade[corrosion.layer]
    assert np.corrcoef(depth, grade)[0, 1] < -0.25
    # within the noise of metal on one side, of bone on the other
    assert np.mean(grade < 0.2) > 0.02
    assert np.mean(grade > 1) > 0.05


@pytest.mark.parametrize("implant", ["screw", "pin"])
def test_initial_volume_and_surface(implant):
    voxel_size = 12.5
    metadata = make_phantom(5, SMALL, implant=implant, voxel_size=voxel_size).metadata
    body = Implant.place(implant, SMALL, stream(5, 0))
    if implant == "pin":
        radius, length = body.radius * voxel_size / 1000, body.length * voxel_size / 1000
        volume = np.pi * radius**2 * length
        surface = 2 * np.pi * radius * (radius + length)
        assert metadata["initial_volume_mm3"] == pytest.approx(volume, rel=1e-3)
        assert metadata["initial_surface_mm2"] == pytest.approx(surface, rel=1e-3)
    # the shape that the voxels show: volume by counting, surface by a thin shell
    depth = body.depth((slice(0, 48),) * 3)
    voxel = voxel_size / 1000
    assert metadata["initial_volume_mm3"] == pytest.approx(
        np.count_nonzero(depth > 0) * voxel**3, rel=0.01
    )
    shell = np.count_nonzero(np.abs(depth) < 1) / 2
    assert metadata["initial_surface_mm2"] == pytest.approx(shell * voxel**2, rel=0.03)


def test_implant_is_as_wide_as_promised():
    truth = np.asarray(make_phantom(2, (64, 64, 64), implant="pin").truth)
    area = np.count_nonzero(truth[32] >= 2)
    assert 0.36 < 2 * np.sqrt(area / np.pi) / 64 < 0.52


def test_real_bone_stays_as_it_is_outside_the_neighbourhood_of_the_implant():
    mask = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(60, 48, 48)), 3) > 0.01
    phantom = make_phantom(1, SMALL, bone_mask=mask.astype(np.uint8) * 255)
    truth = np.asarray(phantom.truth)
    z, y, x = phantom.metadata["bone_mask_offset"]
    piece = mask[z : z + 48, y : y + 48, x : x + 48]
    far = ndimage.distance_transform_edt(truth < 2) > 0.5 * 0.22 * 48
    assert far.mean() > 0.3
    assert np.array_equal(truth[far] == 1, piece[far])
    # another piece of the mask for another sample
    offsets = {
        make_phantom(s, SMALL, bone_mask=mask).metadata["bone_mask_offset"] for s in range(4)
    }
    assert len(offsets) > 1


def test_a_small_mask_is_continued_by_reflection():
    mask = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(30, 48, 48)), 3) > 0.01
    truth = np.asarray(make_phantom(1, SMALL, bone_mask=mask).truth)
    far = ndimage.distance_transform_edt(truth < 2) > 0.5 * 0.22 * 48
    whole = np.concatenate([mask, mask[:-19:-1]])
    assert np.array_equal(truth[far] == 1, whole[far])


def test_beamlines_change_the_picture_and_not_the_sample():
    contrast_to_noise = {}
    for beamline in (P05, I13_2):
        phantom = make_phantom(6, (64, 64, 64), beamline=beamline)
        scan, truth, _ = arrays(phantom)
        inner = [ndimage.binary_erosion(truth == k) for k in (0, 1, 3)]
        # shading and texture are slow: neighbours inside the metal tell the noise
        noise = np.std(np.diff(scan.astype(float), axis=0)[inner[2][1:] & inner[2][:-1]])
        step = scan[inner[1]].mean() - scan[inner[0]].mean()
        contrast_to_noise[beamline.name] = step / noise
        assert phantom.metadata["energy_kev"] == beamline.energy_kev
    assert contrast_to_noise["P05"] > 1.2 * contrast_to_noise["I13-2"]
    one, two = (make_phantom(6, SMALL, beamline=b) for b in ("P05", "I13-2"))
    assert np.array_equal(np.asarray(one.truth), np.asarray(two.truth))
    assert not np.array_equal(np.asarray(one.scan), np.asarray(two.scan))


def test_more_gadolinium_makes_brighter_metal():
    steps = []
    for alloy in ("Mg-5Gd", "Mg-10Gd"):
        scan, truth, _ = arrays(make_phantom(6, SMALL, alloy=alloy))
        marrow, bone, metal = (scan[truth == k].mean() for k in (0, 1, 3))
        steps.append((metal - marrow) / (bone - marrow))
    assert 1.1 < steps[0] < steps[1] - 0.3


def test_attenuation_meets_the_table_and_refuses_what_it_does_not_know():
    assert attenuation("water", 30.0) == pytest.approx(0.376)
    assert attenuation("bone", 20.0) == pytest.approx(4.00 * 1.92)
    assert attenuation("Mg-10Gd", 40.0) == pytest.approx((0.9 * 0.488 + 0.1 * 6.92) * 1.88)
    assert attenuation("bone", 30.0) > attenuation("bone", 38.0) > attenuation("bone", 40.0)
    with pytest.raises(UnknownNameError, match=r"titanium.*known are: Mg-10Gd"):
        attenuation("titanium", 30.0)
    with pytest.raises(ParameterError, match=r"60 keV.*20 to 50 keV"):
        attenuation("bone", 60.0)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"seed": -1}, ParameterError, "seed: -1"),
        ({"shape": (30, 48, 48)}, ParameterError, "at least 40"),
        ({"shape": (48, 48)}, ParameterError, "three axes"),
        ({"implant": "plate"}, ParameterError, "'screw' and 'pin'"),
        ({"alloy": "WE43"}, UnknownNameError, "Mg-5Gd, Mg-10Gd"),
        ({"beamline": "BM18"}, UnknownNameError, "P05, I13-2"),
        ({"wf_quality": 1.5}, ParameterError, "quality: 1.5"),
        ({"bone_mask": np.zeros((48, 48))}, ParameterError, "three axes"),
        ({"bone_mask": np.zeros(SMALL)}, ParameterError, "0 are bone"),
    ],
)
def test_what_cannot_work_is_refused(change, error, message):
    with pytest.raises(error, match=message):
        make_phantom(**({"seed": 0, "shape": SMALL} | change))
