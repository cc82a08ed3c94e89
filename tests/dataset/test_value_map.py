"""What the values of foreign label files become."""

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from srseg import DEFAULT_LABELS, LabelClass, LabelTable, Volume
from srseg.dataset import Placement, ValueMap
from srseg.dataset._labels.counting import count_values
from srseg.dataset._labels.value_map import FixedMap, MappedSource
from srseg.errors import LabelError, ParameterError
from srseg.io import write_volume

SHAPE = (8, 10, 12)

# as another program has it: the same tissue at other values, and a class of its own
FOREIGN = LabelTable(
    [
        LabelClass(0, "Exterior"),
        LabelClass(1, "Degradation Layer"),
        LabelClass(2, "Bone"),
        LabelClass(5, "Screw (Mg)"),
    ]
)


def voxels(values, dtype=np.uint8):
    return np.random.default_rng(0).choice(np.array(values, dtype), SHAPE)


def add(study, file, *texts):
    placement = Placement(values=ValueMap.parse(texts)) if texts else None
    study.add_labels(file, sample="A", label_set="HQ", placement=placement)
    return study["A"].labels("HQ").read()


@pytest.fixture
def foreign(study, tmp_path):
    array = voxels([0, 1, 2, 5])
    volume = Volume(array, study["A"].scan.grid, table=FOREIGN)
    write_volume(tmp_path / "labels.seg.nrrd", volume)
    return tmp_path / "labels.seg.nrrd", array


def looked_up(array, values):
    return np.vectorize(values.get)(array).astype(np.uint8)


def test_values_become_what_was_said(study, tmp_path):
    array = voxels([0, 7, 254, 255])
    tifffile.imwrite(tmp_path / "l.tif", array, photometric="minisblack")
    found = add(study, tmp_path / "l.tif", "255=1", "7=unlabelled", "254=RM")
    np.testing.assert_array_equal(found, looked_up(array, {0: 0, 255: 1, 7: 255, 254: 3}))
    info = study["A"].labels_info("HQ")
    assert info["ValueMap"] == {"255": 1, "7": 255, "254": 3}
    assert info["Voxels"] == {str(v): int((found == v).sum()) for v in (0, 1, 3, 255)}
    assert study.check(deep=True) == []


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32, np.int8, bool])
def test_values_of_any_integers(study, tmp_path, dtype):
    values = [0, 1] if dtype is bool else [0, 1, 100]
    array = voxels(values, dtype)
    tifffile.imwrite(tmp_path / "l.tif", array, photometric="minisblack")
    texts = ["1=255", *(["100=3"] if len(values) > 2 else [])]
    found = add(study, tmp_path / "l.tif", *texts)
    np.testing.assert_array_equal(found, looked_up(array.astype(int), {0: 0, 1: 255, 100: 3}))


def test_negative_values_and_a_swap(study, tmp_path):
    array = voxels([0, 1, 2, -1000], np.int16)
    write_volume(tmp_path / "l.mha", Volume(array, study["A"].scan.grid))
    found = add(study, tmp_path / "l.mha", "-1000=unlabelled", "1=2", "2=1")
    np.testing.assert_array_equal(found, looked_up(array, {0: 0, 1: 2, 2: 1, -1000: 255}))


def test_by_the_names_of_the_file(study, foreign):
    file, array = foreign
    found = add(study, file, "names", "Exterior=background", "screw (mg)=residual material")
    np.testing.assert_array_equal(found, looked_up(array, {0: 0, 1: 2, 2: 1, 5: 3}))
    assert study["A"].labels_info("HQ")["ValueMap"] == {"0": 0, "5": 3, "1": 2, "2": 1}


def test_nothing_is_renumbered_unasked_and_the_error_says_what_to_pass(study, foreign):
    file, _ = foreign
    with pytest.raises(LabelError) as error:
        add(study, file)
    text = str(error.value)
    assert "labels.seg.nrrd has another label table" in text
    assert '--map names --map Exterior=background --map "Screw (Mg)=…", where' in text
    assert "1 becomes 2 (degradation layer), 2 becomes 1 (bone)" in text
    # what is left of it after half of it was followed
    with pytest.raises(LabelError, match=r'pass --map "Screw \(Mg\)=…", where … is one'):
        add(study, file, "names", "Exterior=BG")
    assert study["A"].label_sets == ["WF"]


def test_a_class_of_the_file_without_a_voxel_may_be_mapped(study, tmp_path):
    volume = Volume(voxels([0, 2]), study["A"].scan.grid, table=FOREIGN)
    write_volume(tmp_path / "l.seg.nrrd", volume)
    found = add(study, tmp_path / "l.seg.nrrd", "names", "Exterior=0", "Screw (Mg)=RM", "1=DL")
    assert set(np.unique(found)) == {0, 1}


def test_a_value_that_does_not_occur_is_an_error_after_reading(study, tmp_path):
    tifffile.imwrite(tmp_path / "l.tif", voxels([0, 1]), photometric="minisblack")
    with pytest.raises(LabelError, match=r"no voxel has the value 9 .* the file holds 0, 1"):
        add(study, tmp_path / "l.tif", "9=1")
    assert study["A"].label_sets == ["WF"]


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["1=tooth"], r"'tooth' is no class of the dataset; it has 0 \(background\)"),
        (["1=9"], "9 is no class"),
        (["bone=1"], "carries no names of classes, so 'bone'"),
        (["names"], "carries no names of classes; map values"),
        (["7=1"], "value 9 is not in the label table"),
    ],
)
def test_maps_that_do_not_fit_the_file(study, tmp_path, texts, says):
    tifffile.imwrite(tmp_path / "l.tif", voxels([0, 7, 9, 1]), photometric="minisblack")
    with pytest.raises(LabelError, match=says):
        add(study, tmp_path / "l.tif", *texts)


def test_names_that_the_file_does_not_have(study, foreign):
    with pytest.raises(LabelError, match=r"has no class 'Tooth'; it has Exterior \(0\)"):
        add(study, foreign[0], "Tooth=bone")
    with pytest.raises(LabelError, match="'Bone' is mapped twice"):
        add(study, foreign[0], "2=bone", "Bone=DL")


@pytest.mark.parametrize("text", ["", "1", "=1", "1=", "1=1,2=2=", "="])
def test_texts_that_are_no_map(text):
    with pytest.raises(ParameterError, match="255=1"):
        ValueMap.parse([text])


def test_a_map_says_one_thing_of_one_value():
    with pytest.raises(ParameterError, match="mapped twice"):
        ValueMap.parse(["1=2", "1=3"])
    assert ValueMap.parse(["a=b=1", "NAMES"]) == ValueMap({"a=b": 1}, names=True)


def test_a_mask_of_0_and_255_is_suspicious(study, tmp_path):
    tifffile.imwrite(tmp_path / "l.tif", voxels([0, 255]), photometric="minisblack")
    with pytest.warns(UserWarning, match="holds only 0 .* --map 255=1"):
        add(study, tmp_path / "l.tif")


@given(
    st.dictionaries(st.integers(0, 20), st.sampled_from([0, 1, 2, 3, 255]), max_size=8),
    st.lists(st.integers(0, 20), min_size=1, max_size=60),
    st.sampled_from(["u1", "u2", "i2", "i4", "i8", "i1"]),
)
def test_any_map_is_a_look_up(values, content, dtype):
    block = np.array(content, dtype).reshape(1, 1, -1)
    source = MappedSource(block, FixedMap(values, {v: str(v) for v in values}))
    whole = (slice(0, 1), slice(0, 1), slice(0, block.size))
    found = source[whole]
    np.testing.assert_array_equal(found, [[[values.get(v, v) for v in content]]])
    assert source.seen == set(content)
    if set(values) <= set(content):
        source.require_found("file")
    else:
        with pytest.raises(LabelError, match="no voxel has the value"):
            source.require_found("file")


@given(st.lists(st.integers(0, 255), max_size=300), st.booleans())
def test_counting_is_counting(content, constant):
    block = np.array(content[:1] * len(content) if constant else content, np.uint8)
    np.testing.assert_array_equal(count_values(block), np.bincount(block, minlength=256))


def test_the_table_of_the_dataset_holds_after_mapping(study, foreign):
    add(study, foreign[0], "names", "Exterior=0", "Screw (Mg)=3")
    assert study["A"].labels("HQ").table == DEFAULT_LABELS


AVIZO = """# AmiraMesh BINARY-LITTLE-ENDIAN 2.1

define Lattice 12 10 8

Parameters {
    Materials {
        Exterior { Id 5 }
        "Mineralised bone" { Id 77, Color 0.9 0.5 0 }
        "Residual material" { Id 3, Color 0.2 0.4 1 }
    }
    Units { Coordinates "µm" }
    Content "12x10x8 byte, uniform coordinates",
    BoundingBox 0 27.5 0 22.5 0 17.5,
    CoordType "uniform"
}

Lattice { byte Labels } @1

# Data section follows
@1
"""


def test_labels_from_avizo_by_their_names(study, tmp_path):
    array = voxels([0, 1, 2])
    (tmp_path / "l.am").write_bytes(AVIZO.encode() + array.tobytes() + b"\n")
    with pytest.raises(
        LabelError, match=r'--map names --map Exterior=background --map "Mineralised'
    ):
        add(study, tmp_path / "l.am")
    texts = ("names", "Exterior=background", "Mineralised bone=bone")
    found = add(study, tmp_path / "l.am", *texts)
    np.testing.assert_array_equal(found, looked_up(array, {0: 0, 1: 1, 2: 3}))
    assert study["A"].labels("HQ").grid.same_as(study["A"].scan.grid)


def test_names_may_be_the_abbreviations_of_the_dataset(study, tmp_path):
    array = voxels([0, 1, 2])
    text = AVIZO.replace("Residual material", "RM")
    (tmp_path / "l.am").write_bytes(text.encode() + array.tobytes() + b"\n")
    with pytest.raises(LabelError, match=r"By their names, .*2 becomes 3 \(residual material\)"):
        add(study, tmp_path / "l.am")
