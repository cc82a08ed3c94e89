"""What label values mean, and that they never change silently."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from srseg import labels as labels_module
from srseg.errors import LabelError
from srseg.labels import DEFAULT_LABELS, UNLABELLED, LabelClass, LabelTable

SPARSE = LabelTable((LabelClass(3, "air"), LabelClass(200, "metal"), LabelClass(17, "bone")))


def test_the_default_is_the_papers_four_classes():
    assert DEFAULT_LABELS.values == (0, 1, 2, 3)
    assert [c.abbreviation for c in DEFAULT_LABELS.foreground] == ["bone", "DL", "RM"]
    assert [c.key for c in DEFAULT_LABELS] == [
        "background", "bone", "degradation_layer", "residual_material",
    ]  # fmt: skip
    assert len({c.color for c in DEFAULT_LABELS}) == 4
    assert DEFAULT_LABELS.classes[1].rgb == (0x56, 0xB4, 0xE9)


def test_classes_are_ordered_by_value_and_the_smallest_is_background():
    assert SPARSE.values == (3, 17, 200)
    assert SPARSE.names == ("air", "bone", "metal")
    assert [c.name for c in SPARSE.foreground] == ["bone", "metal"]
    assert len(SPARSE) == 3


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.int16, np.uint16, np.int64]),
        hnp.array_shapes(max_dims=3),
        elements=st.sampled_from([3, 17, 200, 255]),
    )
)
def test_positions_and_values_are_inverse(values):
    index = SPARSE.to_index(values)
    assert index.dtype == np.uint8
    assert set(np.unique(index)) <= {0, 1, 2, 255}
    np.testing.assert_array_equal(SPARSE.to_values(index), values)


def test_masks_of_bool_are_labels_too():
    two = LabelTable.from_values([0, 1])
    mask = np.array([[True, False], [False, False]])
    np.testing.assert_array_equal(two.to_index(mask), [[1, 0], [0, 0]])
    np.testing.assert_array_equal(two.to_values(mask), [[1, 0], [0, 0]])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
def test_values_that_the_table_lacks_are_refused_by_name(dtype):
    array = np.zeros((3, 4, 5), dtype)
    array[2, 3, 4] = 7
    with pytest.raises(LabelError, match=r"scan\.h5: value 7.*3 \(residual material\)"):
        DEFAULT_LABELS.to_index(array, where="scan.h5")


def test_values_that_wrap_around_in_8_bits_are_refused():
    for value in (256, -1):
        with pytest.raises(LabelError, match=f"value {value} "):
            DEFAULT_LABELS.to_index(np.array([0, value], np.int16))


def test_a_wrong_value_is_found_in_any_piece(monkeypatch):
    monkeypatch.setattr(labels_module, "_PIECE", 10)
    array = np.zeros((5, 7), np.uint8)
    DEFAULT_LABELS.check(array)
    array[4, 6] = 9
    for view in (array, array.T, array[::2, ::2]):
        with pytest.raises(LabelError, match="value 9"):
            DEFAULT_LABELS.check(view)


def test_many_wrong_values_are_cut_short():
    with pytest.raises(LabelError, match=r"value 4, 5, 6, 7, 8, 9, 10, 11 …"):
        DEFAULT_LABELS.check(np.arange(30))


def test_labels_must_be_integers():
    with pytest.raises(LabelError, match="must be integers, found float32"):
        DEFAULT_LABELS.check(np.zeros(3, np.float32))


def test_unlabelled_and_empty_arrays_are_fine():
    DEFAULT_LABELS.check(np.full((2, 2), UNLABELLED, np.uint8))
    DEFAULT_LABELS.check(np.zeros((0, 3), np.uint8))


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([LabelClass(0, "a")], "at least two"),
        ([LabelClass(0, "a"), LabelClass(0, "b")], "value 0 stands twice"),
        ([LabelClass(0, "a"), LabelClass(1, "a")], "name a stands twice"),
        ([LabelClass(0, "a b"), LabelClass(1, "A-b")], "key a_b stands twice"),
        ([LabelClass(0, "a"), LabelClass(255, "b")], "0 to 254"),
        ([LabelClass(0, "a"), LabelClass(-1, "b")], "0 to 254"),
        ([LabelClass(0, "a"), LabelClass(1, "")], "no printable name"),
        ([LabelClass(0, "a"), LabelClass(1, "b\n")], "no printable name"),
        ([LabelClass(0, "a"), LabelClass(1, "b", color="red")], "#rrggbb"),
        ([LabelClass(0, "a"), LabelClass(1, "b", color="#00000g")], "#rrggbb"),
    ],
)
def test_impossible_tables_are_refused(classes, message):
    with pytest.raises(LabelError, match=message):
        LabelTable(classes)


def test_names_in_any_script_have_keys():
    table = LabelTable((LabelClass(0, "背景"), LabelClass(1, "骨"), LabelClass(2, "Metall 2")))
    assert [c.key for c in table] == ["class_0", "class_1", "metall_2"]


def test_tables_are_equal_in_what_they_say_not_in_how_they_look():
    def table(name="bone", color="#123456", value=1):
        return LabelTable((LabelClass(0, "air"), LabelClass(value, name, color=color)))

    assert table() == table(color="#654321")
    assert hash(table()) == hash(table(color="#654321"))
    assert table() != table(name="metal")
    assert table() != table(value=2)
    assert table() != "table"
    table().require_same(table(), where="b.h5")
    with pytest.raises(LabelError, match=r"b\.h5 has another label table: .*1=metal.*1=bone"):
        table().require_same(table(name="metal"), where="b.h5")


def test_tables_from_bare_values():
    table = LabelTable.from_values([4, 0, 4, 255, 9])
    assert table.values == (0, 4, 9)
    assert table.names == ("background", "class 4", "class 9")
    assert len(LabelTable.from_values(range(200))) == 200


def test_tables_travel_through_json_and_pickle():
    rows = json.loads(json.dumps(SPARSE.to_dicts()))
    read = LabelTable.from_dicts(rows)
    assert read == SPARSE
    assert read.to_dicts() == SPARSE.to_dicts()
    assert pickle.loads(pickle.dumps(SPARSE)) == SPARSE


def test_tables_written_by_hand_need_only_index_and_name():
    read = LabelTable.from_dicts([{"index": "0", "name": "air"}, {"index": 1.0, "name": "bone"}])
    assert read.values == (0, 1)
    assert read.classes[0].color != read.classes[1].color


@pytest.mark.parametrize(
    "rows",
    [
        [{"name": "air"}, {"index": 1, "name": "bone"}],
        [{"index": "x", "name": "air"}],
        [None, None],
        [{"index": 0, "name": "air"}, {"index": 300, "name": "bone"}],
    ],
)
def test_damaged_tables_are_refused_with_the_file_named(rows):
    with pytest.raises(LabelError, match=r"^dseg\.tsv: "):
        LabelTable.from_dicts(rows, where="dseg.tsv")
