"""What 3D Slicer makes of an exported segmentation comes back right, or is refused by name."""

import numpy as np
import pytest
from slicer_file import save_as_slicer

from srseg import DEFAULT_LABELS, Dataset, LabelClass, LabelTable, Volume
from srseg.corrections import Suggestion, export_correction, plan_correction, read_correction
from srseg.errors import FileFormatError, GridError, LabelError
from srseg.io import open_segments, open_volume, write_volume
from srseg.volumes import Grid, RigidTransform

NAMES = {"bone": 1, "degradation layer": 2, "residual material": 3, "unlabelled": 255}


@pytest.fixture
def exported(predicted, tmp_path):
    place = Suggestion.of_slice("z", 5, (8, 10, 12), expected=0.0, share=0.0)
    path = export_correction(predicted, "A", "srseg-wf", [place], tmp_path / "out")
    record = read_correction(path)
    return predicted, record, record.folder / record.pieces[0].labels


def masks(labels, names=NAMES):
    return {name: labels == value for name, value in names.items()}


def edited(study):
    labels = study["A"].labels("srseg-wf").read().copy()
    labels[5, 2:5, 3:9] = 3
    labels[5, 0, :2] = 255  # taken back
    return labels


def plan(study, path, **more):
    return plan_correction(study, path, sample="A", label_set="HQ", **more)


@pytest.mark.parametrize(
    "way",
    [
        {},
        {"values": (3, 1, 2, 7)},  # numbered anew, two of them the other way round
        {"apart": ("bone",)},
        {"apart": ("bone", "residual material", "degradation layer", "unlabelled")},
        {"apart": ("unlabelled",), "values": (9, 8, 7, 1)},
        {"values": (1, 1, 1, 1), "apart": tuple(NAMES)},  # each layer has a numbering of its own
        {"pad": 3},
    ],
)
def test_numbers_and_layers_of_slicer(exported, way):
    study, record, path = exported
    labels = edited(study)
    save_as_slicer(path, masks(labels), record.grid, **way)
    found = plan(study, path)
    study.register_labels(found.labels, manual=True)
    after = study["A"].labels("HQ").read()
    np.testing.assert_array_equal(after[5], labels[5])
    base = study["A"].labels("srseg-wf").read()
    assert found.changes.n_changed == int((labels != base).sum())
    assert found.changes.outside == 0
    assert (np.delete(after, 5, 0) == 255).all()


def test_cropped_to_what_segments_cover(exported):
    study, record, path = exported
    labels = np.zeros((8, 10, 12), np.uint8)
    labels[3:6, 2:7, 4:9] = 1
    save_as_slicer(path, masks(labels), record.grid, crop=True, values=(4, 3, 2, 1))
    assert open_volume(path, labels=True).shape == (3, 5, 5)
    found = plan(study, path, whole=True)
    study.register_labels(found.labels)
    np.testing.assert_array_equal(study["A"].labels("HQ").read(), labels)


def test_a_turned_scan_at_another_place(study, tmp_path):
    turn = RigidTransform.from_dict(
        {"rotation": [0.8, 0.6, 0, -0.6, 0.8, 0, 0, 0, 1], "translation_um": [1e3, -2e3, 3e3]}
    )
    grid = Grid((8, 10, 12), (2.5,) * 3).moved(turn)
    random = np.random.default_rng(0)
    scan = Volume(random.integers(0, 99, grid.shape, dtype=np.uint16), grid)
    base = random.integers(0, 4, grid.shape, dtype=np.uint8)
    write_volume(tmp_path / "T.nrrd", scan)
    write_volume(tmp_path / "wf.h5", Volume(base, grid, table=DEFAULT_LABELS))
    study.add_sample(tmp_path / "T.nrrd", name="T")
    study.add_labels(tmp_path / "wf.h5", sample="T", label_set="WF")
    place = Suggestion.of_slice("y", 4, grid.shape, expected=0.0, share=0.0)
    path = export_correction(study, "T", "WF", [place], tmp_path / "out", around=2)
    record = read_correction(path)
    (piece,) = record.pieces
    labels = base.copy()
    labels[:, 4, :] = 2
    save_as_slicer(
        record.folder / piece.labels, masks(labels[piece.box]), record.grid.cropped(piece.box),
        crop=True,
    )  # fmt: skip
    found = plan_correction(study, record.folder, sample="T", label_set="HQ")
    study.register_labels(found.labels)
    expected = np.full(base.shape, 255, np.uint8)
    expected[:, 4, :] = 2
    np.testing.assert_array_equal(study["T"].labels("HQ").read(), expected)


def test_segments_that_share_voxels_are_named(exported):
    study, record, path = exported
    both = masks(edited(study))
    both["bone"] = both["bone"] | (both["degradation layer"] & (np.arange(12) > 5))
    save_as_slicer(path, both, record.grid, apart=("bone",))
    with pytest.raises(LabelError, match=r"'bone' and 'deg|'degradation layer' and 'bone' share"):
        plan(study, path)


def test_segments_that_are_no_class_are_named_and_can_be_mapped(exported):
    study, record, path = exported
    labels = edited(study)
    names = {"bone": 1, "Segment_1": 2, "RM": 3, "unlabelled": 255}
    save_as_slicer(path, masks(labels, names), record.grid)
    with pytest.raises(LabelError, match=r"segment 'Segment_1' is no class.*--map 'Segment_1=…'"):
        plan(study, path)
    found = plan(study, path, renamed={"Segment_1": "degradation layer"})
    base = study["A"].labels("srseg-wf").read()
    assert found.changes.n_changed == int((labels != base).sum())
    assert plan(study, path, renamed={"Segment_1": "DL"}).changes.n_changed > 0
    with pytest.raises(LabelError, match="'cement' is no class of the dataset"):
        plan(study, path, renamed={"Segment_1": "cement"})
    with pytest.raises(LabelError, match="there is no segment 'Segment_9' to map"):
        plan(study, path, renamed={"Segment_9": "bone"})
    # a segment without voxels is no matter
    empty = masks(labels) | {"Segment_1": np.zeros(labels.shape, bool)}
    save_as_slicer(path, empty, record.grid)
    assert plan(study, path).changes.n_changed == int((labels != base).sum())


def test_what_was_labelled_beside_the_piece_is_refused(exported):
    study, record, path = exported
    labels = edited(study)
    wide = np.pad(labels, 2)
    grid = record.grid.cropped((slice(0, 1),) * 3)
    origin = grid.to_physical(np.array([-2, -2, -2]))
    larger = Grid(wide.shape, grid.voxel_size, tuple(origin), grid.direction)
    save_as_slicer(path, masks(wide), larger)
    assert plan(study, path).changes.outside == 0
    wide[0, 0, :3] = 1
    save_as_slicer(path, masks(wide), larger)
    with pytest.raises(GridError, match="3 voxels are labelled outside of what was exported"):
        plan(study, path)


@pytest.mark.parametrize(
    "other",
    [
        Grid((8, 10, 12), (2.5, 2.5, 2.5), (1.25, 0.0, 0.0)),  # half a voxel aside
        Grid((8, 10, 12), (2.5, 2.5, 2.6)),
        Grid((8, 10, 12), (2.5,) * 3, direction=(0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)),
        Grid((8, 10, 12), (2.5,) * 3, (2.5 * 7, 0.0, 0.0), (-1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0)),
    ],
)
def test_other_voxels_are_refused(exported, other):
    study, _, path = exported
    save_as_slicer(path, masks(edited(study)), other)
    with pytest.raises(GridError, match="other voxels than were exported"):
        plan(study, path)


def test_rows_for_columns_are_refused(study, scan_file, label_file, tmp_path):
    shape = (4, 9, 9)
    study.add_sample(scan_file("square.mha", shape), subject="09", name="Q")
    study.add_labels(label_file("square.h5", shape), sample="Q", label_set="WF")
    place = Suggestion.of_slice("z", 2, shape, expected=0.0, share=0.0)
    record = read_correction(export_correction(study, "Q", "WF", [place], tmp_path / "out"))
    labels = study["Q"].labels("WF").read()
    turned = Grid(shape, (2.5,) * 3, direction=(1.0, 0, 0, 0, 0, 1.0, 0, 1.0, 0))
    path = record.folder / record.pieces[0].labels
    save_as_slicer(path, masks(labels.transpose(0, 2, 1)), turned)
    with pytest.raises(GridError, match="other voxels than were exported"):
        plan_correction(study, path, sample="Q", label_set="WF")


def test_a_place_of_no_piece_is_refused(exported):
    study, _, path = exported
    far = Grid((8, 10, 12), (2.5,) * 3, (2500.0, 0.0, 0.0))
    save_as_slicer(path, masks(edited(study)), far)
    with pytest.raises(GridError, match=r"covers 1000:1008,0:10,0:12 .*exported were"):
        plan(study, path)


def test_a_segmentation_without_voxels_is_refused(exported):
    study, record, path = exported
    save_as_slicer(path, masks(np.zeros((8, 10, 12), np.uint8)), record.grid)
    with pytest.raises(LabelError, match="no voxel is in any segment"):
        plan(study, path)


def test_voxels_of_no_segment_are_refused(exported):
    study, record, path = exported
    labels = edited(study)
    save_as_slicer(path, masks(labels), record.grid)
    path.write_bytes(
        path.read_bytes().replace(b"Segment0_LabelValue:=1", b"Segment0_LabelValue:=6")
    )
    with pytest.raises(LabelError, match="value 1 in layer 0 are of no segment"):
        plan(study, path)
    path.write_bytes(path.read_bytes().replace(b"Segment0_Layer:=0", b"Segment0_Layer:=4"))
    with pytest.raises(LabelError, match="'bone' has the value of no segment"):
        plan(study, path)


def test_a_file_that_was_cut_short_is_refused(exported):
    study, record, path = exported
    save_as_slicer(path, masks(edited(study)), record.grid)
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(FileFormatError, match="damaged or cut short"):
        plan(study, path)


def test_classes_without_a_zero(tmp_path, scan_file):
    table = LabelTable(
        [LabelClass(1, "background"), LabelClass(2, "wood", "W"), LabelClass(4, "glue")]
    )
    study = Dataset.create(tmp_path / "wood", table=table)
    study.add_sample(scan_file("A.mha"), name="A")
    base = np.random.default_rng(0).choice([1, 2, 4], (8, 10, 12)).astype(np.uint8)
    write_volume(tmp_path / "wf.h5", Volume(base, Grid(base.shape, (2.5,) * 3), table=table))
    study.add_labels(tmp_path / "wf.h5", sample="A", label_set="WF")
    place = Suggestion.of_slice("x", 3, base.shape, expected=0.0, share=0.0)
    path = export_correction(study, "A", "WF", [place], tmp_path / "out")
    record = read_correction(path)
    file = record.folder / record.pieces[0].labels
    labels = base.copy()
    labels[:, 1, 3] = 255  # erased: no class says that
    names = {"background": 1, "wood": 2, "glue": 4}
    save_as_slicer(file, masks(labels, names), record.grid, values=(3, 2, 1))
    found = plan_correction(study, file, sample="A", label_set="HQ")
    study.register_labels(found.labels)
    np.testing.assert_array_equal(study["A"].labels("HQ").read()[:, :, 3], labels[:, :, 3])


def test_segments_become_what_is_asked_for(tmp_path):
    labels = np.random.default_rng(1).integers(0, 4, (5, 6, 7), dtype=np.uint8)
    grid = Grid(labels.shape, (2.0, 3.0, 4.0), (10.0, 20.0, 30.0))
    path = tmp_path / "a.seg.nrrd"
    three = {name: value for name, value in NAMES.items() if value < 4}
    save_as_slicer(path, masks(labels, three), grid, apart=("bone",), values=(5, 2, 1))
    found = open_segments(path, three, outside=0)
    np.testing.assert_array_equal(found.read(), labels)
    assert found.grid.same_as(grid)
    other = open_segments(path, {name: 10 * v for name, v in three.items()}, outside=77)
    np.testing.assert_array_equal(other.read(), np.where(labels == 0, 77, 10 * labels))
