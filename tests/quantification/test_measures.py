"""What measures say of themselves, and what happens where there is nothing to measure."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import srseg
from srseg.errors import LabelError, NotEnoughMemoryError, ParameterError
from srseg.labels import DEFAULT_LABELS, LabelClass, LabelTable
from srseg.quantification import InitialImplant, Measures, Roles, measure, thickness_map
from srseg.volumes import Grid, Volume

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAMES = [
    "volume_bone", "volume_degradation_layer", "volume_residual_material", "implant_volume",
    "implant_surface", "residual_surface", "volume_loss", "volume_loss_fraction",
    "degradation_rate", "bone_implant_contact", "bone_implant_contact_surface",
    "bone_fraction_50um", "bone_fraction_100um", "bone_fraction_200um", "bone_fraction_500um",
    "layer_thickness", "layer_thickness_sd", "layer_thickness_max", "pit_depth", "pitting_factor",
    "crack_volume",
]  # fmt: skip
INITIAL = InitialImplant(2.0, 10.0, "metadata")


def cube() -> NDArray[np.uint8]:
    """Make a cube of metal in a layer, with bone on one side."""
    labels = np.zeros((40, 40, 40), np.uint8)
    labels[10:30, 10:30, 10:30] = 2
    labels[14:26, 14:26, 14:26] = 3
    labels[30:, :, :] = 1
    return labels


def of(labels: NDArray[np.uint8], size: float = 10.0, **words: Any) -> Measures:
    return measure(Volume.from_array(labels, size, table=DEFAULT_LABELS), **words)


def test_everything_says_what_it_is() -> None:
    found = of(cube(), implant=INITIAL, days=73.05)
    assert [entry.name for entry in found] == NAMES
    for entry in found:
        assert entry.known, entry.name
        assert entry.definition.endswith(".")
        assert entry.title
        assert entry.unit in ("mm³", "mm²", "mm/year", "µm", "%", "")
        assert entry.settings["voxel_size_um"] == [10.0] * 3
        # the cube is 100 µm from the border
        cut = entry.name in ("bone_fraction_200um", "bone_fraction_500um")
        assert entry.note == ("the region is cut by the border of the volume" if cut else "")
        json.dumps(dict(entry.settings), allow_nan=False)
    assert json.loads(json.dumps(found.facts)) == {
        "voxel_size_um": [10.0, 10.0, 10.0],
        "shape": [40, 40, 40],
        "counted_voxels": 64000,
        "unlabelled_voxels": 0,
        "roles": {"bone": 1, "layer": 2, "residual": 3},
        "classes": {
            "background": 0, "bone": 1, "degradation layer": 2, "residual material": 3,
        },
        "software": f"srseg {srseg.__version__}",
    }  # fmt: skip
    assert found["volume_bone"].value == pytest.approx(16e-3)
    assert found["implant_volume"].value == pytest.approx(8e-3)
    assert found["bone_implant_contact"].value == pytest.approx(100 * 400 / (8000 - 18**3))
    assert found["bone_implant_contact"].settings["neighbourhood"] == 6
    assert found["bone_implant_contact_surface"].value == pytest.approx(100 / 6, rel=0.03)
    assert found["layer_thickness"].settings["crack_width_um"] == 50
    lost = 2.0 - 12**3 * 1e-6
    assert found["volume_loss"].value == pytest.approx(lost)
    assert found["volume_loss_fraction"].value == pytest.approx(50 * lost)
    assert found["degradation_rate"].value == pytest.approx(lost / 10.0 / 0.2)
    assert found["degradation_rate"].settings == {
        "voxel_size_um": [10.0] * 3, "days_per_year": 365.25, "initial_volume_mm3": 2.0,
        "initial_surface_mm2": 10.0, "initial_source": "metadata", "days": 73.05,
    }  # fmt: skip


def test_what_is_unknown_is_none() -> None:
    found = of(cube())
    for name in ("volume_loss", "volume_loss_fraction", "degradation_rate"):
        assert math.isnan(found[name].value)
        assert "of the implant before implantation are not both known" in found[name].note
    found = of(cube(), implant=INITIAL)
    assert found["volume_loss"].known
    assert math.isnan(found["degradation_rate"].value)
    assert found["degradation_rate"].note == "the days of implantation are unknown"


def test_a_negative_loss_is_kept_and_told() -> None:
    found = of(cube(), implant=InitialImplant(1e-3, 0.1, "metadata"), days=10)
    for name in ("volume_loss", "volume_loss_fraction", "degradation_rate"):
        assert found[name].value < 0
        assert "more residual material than there was implant" in found[name].note


def test_unlabelled_voxels_are_told_and_not_counted() -> None:
    labels = cube()
    labels[:, :, 30:] = 255
    found = of(labels)
    for entry in found:
        assert "16000 voxels (25 %) are unlabelled and not counted" in entry.note
    assert found.facts["counted_voxels"] == 48000
    assert found["volume_bone"].value == pytest.approx(12e-3)
    assert found["bone_implant_contact"].settings["boundary_voxels"] == 8000 - 18 * 18 * 19
    whole = of(cube())
    # a sixth of the surface is gone; and what is measured of the rest stays
    assert found["implant_surface"].value == pytest.approx(
        whole["implant_surface"].value * 5 / 6, rel=0.05
    )
    assert found["layer_thickness"].value == pytest.approx(whole["layer_thickness"].value, rel=0.02)
    assert len(thickness_of(labels)) < len(thickness_of(cube()))


def thickness_of(labels: NDArray[np.uint8]) -> NDArray[np.float64]:
    return thickness_map(Volume.from_array(labels, 10.0, table=DEFAULT_LABELS)).thickness


def test_the_border_of_the_volume_is_no_surface() -> None:
    places = np.hypot(*np.meshgrid(np.arange(60) - 29.7, np.arange(60) - 29.7))
    rod = np.where(places < 12, 3, np.where(places < 20, 2, np.where(places > 23, 1, 0)))
    short, long = (of(np.repeat(rod[None].astype(np.uint8), n, axis=0)) for n in (10, 30))
    for name in ("implant_surface", "residual_surface", "implant_volume"):
        assert long[name].value == pytest.approx(3 * short[name].value)
        assert "reaches the border of the volume" in long[name].note
    for name in ("bone_implant_contact", "bone_implant_contact_surface", "crack_volume"):
        assert "reaches the border of the volume" in long[name].note
    for name in NAMES[9:20]:
        assert long[name].value == pytest.approx(short[name].value, nan_ok=True)
    assert long["layer_thickness"].value == pytest.approx(80, rel=0.02)
    assert long["residual_surface"].value == pytest.approx(2 * np.pi * 12 * 30 * 1e-4, rel=0.03)
    inner = of(np.pad(np.repeat(rod[None].astype(np.uint8), 10, axis=0), 50))
    assert "reaches the border" not in inner["implant_volume"].note


def test_without_implant_or_metal_or_bone() -> None:
    found = of(np.zeros((5, 5, 5), np.uint8), implant=INITIAL, days=1)
    assert found["implant_volume"].value == found["implant_surface"].value == 0
    assert found["volume_loss_fraction"].value == 100
    # a loss of all may as well be the file of another sample
    for name in NAMES[3:9]:
        assert "there is no implant in the labels" in found[name].note
    for name in NAMES[9:]:
        assert math.isnan(found[name].value), name
        assert "there is no implant in the labels" in found[name].note
    labels = cube()
    labels[labels == 3] = 2
    found = of(labels, implant=INITIAL, days=1)
    for name in ("layer_thickness", "layer_thickness_sd", "pit_depth", "pitting_factor"):
        assert math.isnan(found[name].value)
        assert "there is no residual material" in found[name].note
    assert found["crack_volume"].value == 0
    assert not len(thickness_of(labels))
    everywhere = of(np.full((9, 9, 9), 3, np.uint8))
    assert everywhere["bone_implant_contact"].note.startswith(
        "the implant has no boundary with labelled voxels"
    )
    assert "no labelled voxel lies within" in everywhere["bone_fraction_50um"].note


def test_bare_metal_has_a_layer_of_nothing() -> None:
    labels = cube()
    labels[labels == 2] = 0
    found = of(labels)
    assert found["layer_thickness"].value == found["layer_thickness_max"].value == 0
    assert found["pit_depth"].value == 0
    assert math.isnan(found["pitting_factor"].value)
    assert found["pitting_factor"].note == "the residual material lies bare everywhere"


def test_cracks_are_closed_before_the_layer_is_measured() -> None:
    labels = cube()
    labels[10:14, 18:20, 10:30] = 0  # 20 µm wide, down to the metal
    found = of(labels)
    assert found["crack_volume"].value == pytest.approx(4 * 2 * 20 * 1e-6, rel=0.15)
    assert found["layer_thickness"].value == pytest.approx(
        of(cube())["layer_thickness"].value, rel=0.01
    )
    assert found["pit_depth"].value > 39
    narrow = of(labels, crack_width=15.0)
    assert narrow["crack_volume"].value == 0
    assert narrow["layer_thickness"].value < found["layer_thickness"].value
    # voxels of 60 µm cannot show cracks of 50 µm: twice the voxel is taken
    assert of(labels, 60.0)["crack_volume"].settings["crack_width_um"] == 120


def test_other_tables_and_roles() -> None:
    table = LabelTable(
        (LabelClass(0, "void"), LabelClass(4, "Titanium", "Ti"), LabelClass(9, "tissue"))
    )
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[5:15, 5:15, 5:15], labels[:, :, 15:] = 4, 9
    found = measure(
        Volume.from_array(labels, 10.0, table=table),
        roles=Roles(bone=None, layer=None, residual="ti"),
    )
    assert [entry.name for entry in found][:3] == [
        "volume_titanium", "volume_tissue", "implant_volume",
    ]  # fmt: skip
    assert found["bone_implant_contact"].note.startswith("no class is bone")
    assert found["bone_fraction_50um"].note.startswith("no class is bone")
    assert found["layer_thickness"].note == "no class is the degradation layer"
    # without a layer nothing shows where metal was
    for name in ("pit_depth", "pitting_factor"):
        assert math.isnan(found[name].value)
        assert found[name].note.startswith("no class is the degradation layer, and only that")
    assert Roles(bone=9, layer=None, residual="titanium").resolve(table).bone == 9
    assert Roles(bone=np.int64(9), layer=None, residual="titanium").resolve(table).bone == 9


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        (Roles(bone="bon"), r"no class 'bon' for the role 'bone'.*1 \(bone\).*give bone=None"),
        (Roles(layer=""), r"no class '' for the role 'layer'"),
        (Roles(residual=7), r"no class 7 for the role 'residual'.*3 \(residual material\)$"),
        (Roles(layer="RM"), "one class cannot be two of"),
        (Roles(bone=0), "the role 'bone' cannot be the background"),
    ],
)
def test_roles_name_what_there_is(roles: Roles, message: str) -> None:
    with pytest.raises(LabelError, match=message):
        of(cube(), roles=roles)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"distances": [50, -1]}, "distances: lengths in µm must be positive"),
        ({"distances": [50, 100, 50.0]}, "distances: each once"),
        ({"crack_width": math.nan}, "crack_width: lengths in µm must be positive"),
        ({"neighbourhood": 8}, r"neighbourhood: 6 \(faces\), 18"),
        ({"crack_width": 0}, "crack_width: lengths in µm must be positive"),
        ({"days": -1}, "how long the implant was in the body cannot be -1"),
    ],
)
def test_what_cannot_be_is_refused(words: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        of(cube(), **words)


def test_an_implant_that_never_was_implanted_has_all_numbers_but_a_rate() -> None:
    found = of(cube(), implant=INITIAL, days=0)
    assert found["volume_loss"].value == pytest.approx(2 - 12**3 * 1e-6)
    assert math.isnan(found["degradation_rate"].value)
    assert found["degradation_rate"].note == (
        "the implant was never implanted (0 days), so that it has no rate"
    )
    assert found["degradation_rate"].settings["days"] == 0


@pytest.mark.parametrize("distance", [1e3, 1e6, 1e30, 1e300])
def test_distances_longer_than_the_volume_take_all_of_it(distance: float) -> None:
    labels = cube()
    found = of(labels, distances=[distance])[f"bone_fraction_{distance:g}um"]
    outside = ~np.isin(labels, (2, 3))
    assert found.value == pytest.approx(100 * (labels == 1).sum() / outside.sum())
    assert found.note == "the region is cut by the border of the volume"


def test_cracks_wider_than_memory_are_refused() -> None:
    with pytest.raises(NotEnoughMemoryError, match=r"cracks up to 50000 µm need .* its unit right"):
        of(cube(), crack_width=50_000.0)


def test_foreign_labels_are_refused() -> None:
    labels = cube()
    labels[39, 39, 39] = 4
    with pytest.raises(LabelError, match="value 4 is not in the label table"):
        of(labels)
    with pytest.raises(LabelError, match="has no label table"):
        measure(Volume(cube(), Grid((40, 40, 40), (5.0,) * 3)))
    with pytest.raises(ParameterError, match="volume_mm3 of the initial implant must be positive"):
        InitialImplant(0.0, 1.0, "metadata")
    with pytest.raises(ParameterError, match="at least one point"):
        thickness_map(Volume.from_array(cube(), 5.0, table=DEFAULT_LABELS), most=0)


def test_wider_neighbourhoods_find_more_boundary() -> None:
    values = [of(cube(), neighbourhood=n)["bone_implant_contact"].settings for n in (6, 18, 26)]
    # an edge of bone above the cube's side is a neighbour only in 18 and 26
    assert [v["contact_voxels"] for v in values] == [400, 400, 400]
    labels = cube()
    labels[30:, 10:30, 10:30] = 0
    values = [of(labels, neighbourhood=n)["bone_implant_contact"].settings for n in (6, 18, 26)]
    assert [v["contact_voxels"] for v in values] == [0, 76, 76]


@pytest.mark.parametrize("dtype", [bool, np.int16, np.uint16])
def test_integers_of_other_types_and_masks(dtype: type) -> None:
    table = LabelTable((LabelClass(0, "void"), LabelClass(1, "metal")))
    labels = np.zeros((70, 20, 20), dtype)
    labels[5:65, 5:15, 5:15] = 1
    roles = Roles(bone=None, layer=None, residual="metal")
    found = measure(Volume.from_array(labels, 100.0, table=table), roles=roles)
    assert found["implant_volume"].value == pytest.approx(6.0)
    if dtype is not bool:
        labels[64, 0, 0] = 300
        with pytest.raises(LabelError, match="value 300 is not in the label table"):
            measure(Volume.from_array(labels, 100.0, table=table), roles=roles)
