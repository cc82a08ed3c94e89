"""What is exported to be corrected."""

import json

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import given
from hypothesis import strategies as st

from srseg import DEFAULT_LABELS, Volume
from srseg.corrections import (
    Suggestion,
    export_correction,
    read_correction,
    suggest_slices,
    uncertainty,
)
from srseg.corrections._pieces import boxes_around, overlap
from srseg.errors import (
    FileFormatError,
    GridError,
    MissingFileError,
    ParameterError,
    StorageError,
    UnknownNameError,
)
from srseg.io import open_volume, write_volume

SHAPE = (8, 10, 12)


def at(axis, index, shape=SHAPE):
    return Suggestion.of_slice(axis, index, shape, expected=0.0, share=0.0)


def export(study, folder, places=None, **more):
    places = places or [at("z", 5), at("z", 2)]
    return export_correction(study, "A", "srseg-wf", places, folder, **more)


@pytest.mark.parametrize("form", ["slicer", "napari", "tiff"])
def test_scan_and_labels_come_out_as_they_are(predicted, tmp_path, form):
    record = read_correction(export(predicted, tmp_path / "out", form=form))
    (piece,) = record.pieces
    scan = open_volume(record.folder / piece.scan)
    labels = open_volume(record.folder / piece.labels, labels=True)
    sample = predicted["A"]
    np.testing.assert_array_equal(scan.read(), sample.scan.read())
    assert scan.dtype == np.uint16
    np.testing.assert_array_equal(labels.read(), sample.labels("srseg-wf").read())
    assert scan.grid.same_as(sample.scan.grid)
    assert labels.grid.same_as(sample.scan.grid)


def test_the_record_says_what_it_was_made_from(predicted, tmp_path):
    places = suggest_slices(uncertainty(predicted["A"], "srseg-wf"), 2)
    record = read_correction(export(predicted, tmp_path / "out", places))
    assert (record.sample, record.label_set, record.revision) == ("A", "srseg-wf/soft3", None)
    assert record.stamp == predicted["A"].labels_info("srseg-wf")["Stamp"]
    assert record.grid.same_as(predicted["A"].scan.grid)
    assert list(record.suggestions) == places
    of_set = export_correction(predicted, "A", "WF", places, tmp_path / "wf")
    assert read_correction(of_set).revision == 1
    assert read_correction(of_set).identifier != record.identifier
    # from the folder, and from any file in it
    assert read_correction(tmp_path / "out") == record
    assert read_correction(tmp_path / "out" / record.pieces[0].labels) == record


def test_the_guide_says_where_to_look(predicted, tmp_path):
    export(predicted, tmp_path / "out", around=1)
    said = (tmp_path / "out/README.txt").read_text("utf-8")
    assert "slice 5 across z (slice 1 of this file)" in said
    assert "srseg dataset label FILE --sample A --set HQ --from-correction" in said
    assert "0 background, 1 bone" in said
    assert max(len(line) for line in said.splitlines()) <= 100


def test_places_are_points_of_slicer(predicted, tmp_path):
    export(predicted, tmp_path / "out", [at("z", 5), at("x", 3)])
    said = json.loads((tmp_path / "out/A_places.mrk.json").read_text("utf-8"))
    (markups,) = said["markups"]
    assert markups["coordinateSystem"] == "LPS"
    image = sitk.ReadImage(tmp_path / "out/A_scan.nrrd")
    for point, index in zip(markups["controlPoints"], [(5.5, 4.5, 5), (3, 4.5, 3.5)], strict=True):
        there = image.TransformPhysicalPointToContinuousIndex(point["position"])
        np.testing.assert_allclose(there, index, atol=1e-6)


def test_the_scan_is_brought_onto_the_voxels_of_the_labels(study, tmp_path):
    sample = study["A"]
    grid = sample.scan.grid.resampled(5.0)
    labels = Volume(np.ones(grid.shape, np.uint8), grid, table=DEFAULT_LABELS)
    write_volume(tmp_path / "coarse.h5", labels)
    study.add_labels(tmp_path / "coarse.h5", sample="A", label_set="COARSE")
    path = export_correction(study, "A", "COARSE", [at("z", 1, grid.shape)], tmp_path / "out")
    scan = open_volume(path.parent / "A_scan.nrrd")
    assert scan.grid.same_as(grid)
    assert scan.dtype == np.uint16
    # an even factor: the mean of the eight voxels around each new one
    fine = sample.scan.read().astype(float)
    means = fine.reshape(4, 2, 5, 2, 6, 2).mean((1, 3, 5))
    np.testing.assert_allclose(scan.read(), means, atol=0.51)


def test_only_what_lies_around_the_places(predicted, tmp_path):
    places = [at("z", 7), at("z", 1), at("z", 2)]
    record = read_correction(export(predicted, tmp_path / "out", places, around=1))
    assert [piece.box[0] for piece in record.pieces] == [slice(6, 8), slice(0, 4)]
    labels = predicted["A"].labels("srseg-wf")
    for piece in record.pieces:
        part = open_volume(record.folder / piece.labels, labels=True)
        np.testing.assert_array_equal(part.read(), labels.read(piece.box))
        assert part.grid.same_as(labels.grid.cropped(piece.box))
        scan = open_volume(record.folder / piece.scan)
        np.testing.assert_array_equal(scan.read(), predicted["A"].scan.read(piece.box))


@given(
    st.lists(
        st.tuples(st.integers(0, 7), st.integers(0, 9), st.integers(0, 11), st.integers(1, 4)),
        min_size=1, max_size=6,
    ),
    st.integers(0, 3),
)  # fmt: skip
def test_pieces_share_no_voxel_and_hold_every_place(corners, margin):
    places = []
    for *corner, edge in corners:
        z, y, x = (slice(a, min(a + edge, n)) for a, n in zip(corner, SHAPE, strict=True))
        places.append(Suggestion("box", None, None, (z, y, x), 0.0, 0.0))
    pieces = boxes_around(places, SHAPE, margin)
    taken = np.zeros(SHAPE, int)
    for _, box in pieces:
        taken[box] += 1
    assert taken.max() == 1
    for place in places:
        assert taken[place.box].all()
        assert sum(overlap(place.box, box) is not None for _, box in pieces) == 1
    assert len({name for name, _ in pieces}) == len(pieces)


def test_what_cannot_be_exported_is_refused(predicted, tmp_path):
    with pytest.raises(ParameterError, match="nothing to correct"):
        export_correction(predicted, "A", "srseg-wf", [], tmp_path / "out")
    with pytest.raises(ParameterError, match="one of slicer, napari, tiff"):
        export(predicted, tmp_path / "out", form="dicom")
    with pytest.raises(ParameterError, match="around"):
        export(predicted, tmp_path / "out", around=-1)
    with pytest.raises(GridError, match=r"slice z 90: .*does not lie"):
        export(predicted, tmp_path / "out", [at("z", 90, (99, 10, 12))])
    with pytest.raises(UnknownNameError, match="has no label set 'HQ'"):
        export_correction(predicted, "A", "HQ", [at("z", 1)], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    export(predicted, tmp_path / "out")
    before = (tmp_path / "out/correction.json").read_bytes()
    with pytest.raises(StorageError, match="name another folder"):
        export(predicted, tmp_path / "out")
    assert (tmp_path / "out/correction.json").read_bytes() == before


def test_a_record_that_is_none_is_refused(predicted, tmp_path):
    path = export(predicted, tmp_path / "out")
    said = json.loads(path.read_text("utf-8"))
    with pytest.raises(MissingFileError, match=r"correction\.json is not there.*--correction"):
        read_correction(tmp_path / "other.nrrd")
    for wrong in ({"srseg_correction": 2}, {"pieces": [{}]}, {"suggestions": [{"kind": "line"}]}):
        path.write_text(json.dumps({**said, **wrong}), "utf-8")
        with pytest.raises(FileFormatError, match=r"correction\.json"):
            read_correction(path)
