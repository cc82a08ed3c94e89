"""Corrections come back: only what was edited differs, and all of it is told."""

import getpass
import json
import shutil

import numpy as np
import pytest
import tifffile

from srseg import DEFAULT_LABELS, Volume
from srseg.corrections import (
    Suggestion,
    _take,
    export_correction,
    plan_correction,
    read_correction,
)
from srseg.dataset import restore_labels
from srseg.errors import (
    DatasetError,
    GridError,
    LabelError,
    MissingFileError,
    ParameterError,
)
from srseg.io import open_volume, write_volume
from srseg.storage import read_json
from srseg.volumes import RigidTransform

SHAPE = (8, 10, 12)


def at(axis, index):
    return Suggestion.of_slice(axis, index, SHAPE, expected=0.0, share=0.0)


def export(study, folder, label_set="srseg-wf", **more):
    path = export_correction(study, "A", label_set, [at("z", 5), at("z", 1)], folder, **more)
    return read_correction(path)


def edit(record, change, piece=0):
    """Change labels by a script, in place, as a program without segments would."""
    path = record.folder / record.pieces[piece].labels
    volume = open_volume(path, labels=True)
    labels = volume.read().copy()
    change(labels)
    write_volume(path, Volume(labels, volume.grid, table=volume.table), overwrite=True)
    return path


def draw(labels):
    labels[5, 2:4, 3:6] = (labels[5, 2:4, 3:6] + 1) % 4  # where it was asked for
    labels[3, 0, 0] = (labels[3, 0, 0] + 1) % 4  # and elsewhere


def drawn(base):
    after = base.copy()
    draw(after)
    return after


def expected(base, after, slices, earlier=None):
    """What the label set must hold, voxel by voxel."""
    result = np.full(base.shape, 255, np.uint8) if earlier is None else earlier.copy()
    for z in slices:
        result[z] = after[z]
    result[base != after] = after[base != after]
    return result


def take(study, file, label_set="HQ", **more):
    plan = plan_correction(study, file, sample="A", label_set=label_set, **more)
    study.register_labels(plan.labels, manual=True, note="by hand")
    return plan


@pytest.mark.parametrize("form", ["slicer", "napari", "tiff"])
def test_only_what_was_edited_differs(predicted, tmp_path, form):
    base = predicted["A"].labels("srseg-wf").read()
    record = export(predicted, tmp_path / "out", form=form)
    path = edit(record, draw)
    plan = take(predicted, path)
    after = drawn(base)
    np.testing.assert_array_equal(predicted["A"].labels("HQ").read(), expected(base, after, [5, 1]))
    assert plan.changes.n_changed == 7
    assert plan.changes.outside == 1
    assert plan.changes.confirmed == 2 * 120
    assert plan.changes.places == (6, 0)
    assert [one.name for one in plan.untouched] == ["z 1"]
    # what was exported stays as it was
    np.testing.assert_array_equal(predicted["A"].labels("srseg-wf").read(), base)
    assert predicted.check(deep=True) == []


def test_changes_are_told_by_class(predicted, tmp_path):
    base = predicted["A"].labels("srseg-wf").read()
    path = edit(export(predicted, tmp_path / "out", form="tiff"), draw)
    plan = plan_correction(predicted, path, sample="A", label_set="HQ")
    after = drawn(base)
    names = DEFAULT_LABELS.names
    told = {(a, b): n for a, b, n in plan.changes.pairs()}
    for i, first in enumerate(names):
        for j, second in enumerate(names):
            n = int(((base == i) & (after == j)).sum())
            assert told.get((first, second), 0) == (n if i != j else 0)
    assert plan.changes.counts.sum() == base.size
    assert sum(told.values()) == plan.to_dict()["correction"]["changed"] == 7


def test_pieces_come_back_one_by_one_or_all_together(predicted, tmp_path):
    base = predicted["A"].labels("srseg-wf").read()
    record = export(predicted, tmp_path / "out", around=1)
    assert len(record.pieces) == 2

    def first(labels):
        labels[1, 0, 0] = (labels[1, 0, 0] + 1) % 4

    after = base.copy()
    first(after[record.pieces[0].box])
    path = edit(record, first)
    take(predicted, path)
    np.testing.assert_array_equal(predicted["A"].labels("HQ").read(), expected(base, after, [5]))
    first(after[record.pieces[1].box])
    edit(record, first, piece=1)
    take(predicted, record.folder)
    np.testing.assert_array_equal(predicted["A"].labels("HQ").read(), expected(base, after, [5, 1]))
    again = plan_correction(
        predicted, record.folder / "correction.json", sample="A", label_set="HQ"
    )
    assert again.changes.n_changed == 2


@pytest.mark.parametrize("form", ["slicer", "tiff"])
def test_slices_alone_come_back(predicted, tmp_path, form):
    base = predicted["A"].labels("srseg-wf").read()
    record = export(predicted, tmp_path / "out", form=form, around=0)
    path = record.folder / record.pieces[0].labels
    if form == "tiff":
        tifffile.imwrite(path, (base[5] + 1) % 4, photometric="minisblack")
    plan = take(predicted, path)
    labels = predicted["A"].labels("HQ").read()
    assert plan.changes.n_changed == (120 if form == "tiff" else 0)
    np.testing.assert_array_equal(labels[5], (base[5] + 1) % 4 if form == "tiff" else base[5])
    assert (np.delete(labels, 5, 0) == 255).all()


def test_what_the_set_says_already_stays(study, predict, tmp_path):
    predict(study, "E")
    sample = study["E"]
    base, earlier = sample.labels("srseg-wf").read(), sample.labels("HQ").read()
    path = export_correction(study, "E", "srseg-wf", [at("z", 5)], tmp_path / "out")
    record = read_correction(path)
    file = edit(record, draw)
    plan = plan_correction(study, file, sample="E", label_set="HQ")
    assert plan.labels.revision == 2
    study.register_labels(plan.labels, manual=True)
    np.testing.assert_array_equal(
        study["E"].labels("HQ").read(), expected(base, drawn(base), [5], earlier)
    )
    np.testing.assert_array_equal(study["E"].labels("HQ", revision=1).read(), earlier)


def test_only_some_places_or_all_of_it_were_looked_at(predicted, tmp_path):
    base = predicted["A"].labels("srseg-wf").read()
    file = edit(export(predicted, tmp_path / "out"), draw)
    after = drawn(base)
    some = take(predicted, file, "SOME", looked_at=["z 5"])
    assert some.untouched == []
    np.testing.assert_array_equal(predicted["A"].labels("SOME").read(), expected(base, after, [5]))
    everything = take(predicted, file, "ALL", whole=True)
    np.testing.assert_array_equal(predicted["A"].labels("ALL").read(), after)
    assert everything.changes.outside == 0
    assert everything.changes.confirmed == base.size
    with pytest.raises(ParameterError, match=r"'z 3' is no place .* z 5, z 1"):
        plan_correction(predicted, file, sample="A", label_set="HQ", looked_at=["z 3"])


def test_history_keeps_who_when_and_how_many(predicted, tmp_path):
    record = export(predicted, tmp_path / "out")
    take(predicted, edit(record, draw))
    (one,) = predicted["A"].revisions("HQ")
    assert one.by == getpass.getuser()
    assert one.at.startswith("20")
    assert (one.manual, one.note) == (True, "by hand")
    assert one.corrected is not None
    assert one.corrected["set"] == "srseg-wf/soft3"
    assert (one.corrected["changed"], one.corrected["outside"]) == (7, 1)
    assert one.corrected["places"] == [
        {"place": "z 5", "changed": 6},
        {"place": "z 1", "changed": 0},
    ]
    assert sum(change["voxels"] for change in one.corrected["changes"]) == 7
    # and so does what is made of it later
    take(predicted, edit(record, lambda labels: None))
    restore_labels(predicted, "A", "HQ", 1)
    assert predicted["A"].revisions("HQ")[-1].corrected == one.corrected
    sidecar = read_json(predicted["A"].labels_sidecar("HQ"))
    assert sidecar["CorrectedFrom"]["stamp"] == record.stamp


def test_a_label_set_can_be_corrected_into_itself_again_and_again(study, tmp_path):
    base = study["A"].labels("WF").read()
    record = export(study, tmp_path / "out", label_set="WF", form="tiff")

    def once(labels):
        labels[5, 0, 0] = (base[5, 0, 0] + 1) % 4

    def twice(labels):
        labels[6, 1, 1] = (base[6, 1, 1] + 2) % 4

    take(study, edit(record, once), "WF")
    # who goes on in the same window brings in the same file with more in it
    plan = take(study, edit(record, twice), "WF")
    after = base.copy()
    once(after)
    twice(after)
    np.testing.assert_array_equal(study["A"].labels("WF").read(), after)
    assert plan.changes.n_changed == 2
    assert [one.number for one in study["A"].revisions("WF")] == [1, 2, 3]
    np.testing.assert_array_equal(study["A"].labels("WF", revision=1).read(), base)


def test_a_base_that_changed_meanwhile_is_refused(predicted, predict, tmp_path, label_file):
    record = export(predicted, tmp_path / "out")
    file = edit(record, draw)
    predict(predicted, seed=1, overwrite=True)
    with pytest.raises(
        DatasetError, match=r"srseg-wf/soft3 of sample A.*was replaced.*correct exp"
    ):
        plan_correction(predicted, file, sample="A", label_set="HQ")
    of_set = export(predicted, tmp_path / "wf", label_set="WF")
    predicted.add_labels(label_file(seed=7), sample="A", label_set="WF")
    with pytest.raises(DatasetError, match=r"WF of sample A, revision 1, .*now revision 2"):
        plan_correction(predicted, of_set.folder, sample="A", label_set="WF")
    assert "HQ" not in predicted["A"].label_sets


def test_a_revision_that_comes_between_is_kept(predicted, tmp_path, label_file):
    file = edit(export(predicted, tmp_path / "out"), draw)
    plan = plan_correction(predicted, file, sample="A", label_set="HQ")
    predicted.add_labels(label_file(seed=7), sample="A", label_set="HQ")
    there = predicted["A"].labels("HQ").read()
    with pytest.raises(DatasetError, match=r"HQ of sample A got a new revision, 1, while"):
        predicted.register_labels(plan.labels)
    np.testing.assert_array_equal(predicted["A"].labels("HQ").read(), there)
    assert len(predicted["A"].revisions("HQ")) == 1


def test_a_file_of_another_sample_is_refused(predicted, predict, tmp_path):
    predict(predicted, "B")
    file = edit(export(predicted, tmp_path / "out"), draw)
    with pytest.raises(DatasetError, match=r"correction\.json is of sample A, not of B"):
        plan_correction(predicted, file, sample="B", label_set="HQ")
    (tmp_path / "lost").mkdir()
    moved = shutil.copy(file, tmp_path / "lost")
    with pytest.raises(MissingFileError, match=r"correction\.json is not there"):
        plan_correction(predicted, moved, sample="A", label_set="HQ")
    plan = plan_correction(
        predicted, moved, sample="A", label_set="HQ", correction=tmp_path / "out/correction.json"
    )
    assert plan.changes.n_changed == 7


def test_a_set_on_another_grid_is_not_mixed_with_it(predicted, tmp_path):
    grid = predicted["A"].scan.grid.resampled(5.0)
    labels = Volume(np.ones(grid.shape, np.uint8), grid, table=DEFAULT_LABELS)
    write_volume(tmp_path / "coarse.h5", labels)
    predicted.add_labels(tmp_path / "coarse.h5", sample="A", label_set="HQ")
    file = edit(export(predicted, tmp_path / "out"), draw)
    with pytest.raises(GridError, match=r"HQ of sample A lies on another grid.*another --set"):
        plan_correction(predicted, file, sample="A", label_set="HQ")


def test_a_sample_that_was_aligned_meanwhile_is_told(predicted, tmp_path):
    file = edit(export(predicted, tmp_path / "out"), draw)
    sidecar = predicted.path / "sub-01/micr/sub-01_sample-A_XPCT.json"
    said = read_json(sidecar)
    moved = RigidTransform(translation=(30.0, 0.0, 0.0))
    said["Alignment"] = {"Transform": moved.to_dict()}
    sidecar.write_text(json.dumps(said), "utf-8")
    with pytest.raises(DatasetError, match=r"was aligned since.*--undo"):
        plan_correction(predicted, file, sample="A", label_set="HQ")


class TestPlainFiles:
    """What napari, Fiji and scripts save."""

    def test_without_a_voxel_size(self, predicted, tmp_path):
        base = predicted["A"].labels("srseg-wf").read()
        record = export(predicted, tmp_path / "out", form="napari")
        # napari saves the bare voxels, of whatever integers the layer has
        tifffile.imwrite(
            record.folder / record.pieces[0].labels, drawn(base).astype(np.int32),
            photometric="minisblack",
        )  # fmt: skip
        take(predicted, record.folder)
        np.testing.assert_array_equal(
            predicted["A"].labels("HQ").read(), expected(base, drawn(base), [5, 1])
        )

    @pytest.mark.parametrize("suffix", [".ome.zarr", ".h5", ".mha", ".nii.gz"])
    def test_in_another_format(self, predicted, tmp_path, suffix):
        base = predicted["A"].labels("srseg-wf")
        record = export(predicted, tmp_path / "out", form="napari")
        path = record.folder / f"mine{suffix}"
        write_volume(path, Volume(drawn(base.read()), base.grid, table=base.table))
        assert plan_correction(predicted, path, sample="A", label_set="HQ").changes.n_changed == 7

    def test_under_another_name(self, predicted, tmp_path):
        base = predicted["A"].labels("srseg-wf").read()
        record = export(predicted, tmp_path / "out", form="tiff")
        tifffile.imwrite(record.folder / "mine.tif", drawn(base), photometric="minisblack")
        plan = plan_correction(predicted, record.folder / "mine.tif", sample="A", label_set="HQ")
        assert plan.changes.n_changed == 7

    def test_which_of_two_pieces_must_be_clear(self, predicted, tmp_path):
        path = export_correction(
            predicted, "A", "srseg-wf", [at("z", 5), at("z", 2)], tmp_path / "out",
            form="tiff", around=1,
        )  # fmt: skip
        record = read_correction(path)
        part = open_volume(record.folder / record.pieces[1].labels, labels=True).read()
        bare = record.folder / record.pieces[1].labels
        tifffile.imwrite(bare, part, photometric="minisblack")
        plan = plan_correction(predicted, bare, sample="A", label_set="HQ")
        assert plan.changes.n_changed == 0
        assert [one.name for one in plan.places] == ["z 2"]
        tifffile.imwrite(record.folder / "mine.tif", part, photometric="minisblack")
        with pytest.raises(GridError, match=r"mine\.tif holds \(3, 10, 12\).*the name that it had"):
            plan_correction(predicted, record.folder / "mine.tif", sample="A", label_set="HQ")

    @pytest.mark.parametrize(
        ("change", "error", "says"),
        [
            (lambda a, g: (a[:-1], g.cropped((slice(0, 7), slice(0, 10), slice(0, 12)))),
             GridError, "was cropped or resampled"),
            (lambda a, g: (a, g.moved(RigidTransform(translation=(1.0, 0.0, 0.0)))),
             GridError, r"from \(1.0, 0.0, 0.0\)"),
            (lambda a, g: (np.where(a == 2, 9, a), g), LabelError, "value 9 is not in the label"),
        ],
    )  # fmt: skip
    def test_what_does_not_fit_is_refused(self, predicted, tmp_path, change, error, says):
        record = export(predicted, tmp_path / "out", form="tiff")
        base = predicted["A"].labels("srseg-wf")
        labels, grid = change(base.read(), base.grid)
        path = record.folder / record.pieces[0].labels
        write_volume(path, Volume(labels.astype(np.uint8), grid), overwrite=True)
        with pytest.raises(error, match=says):
            plan_correction(predicted, path, sample="A", label_set="HQ")

    def test_another_table_is_refused(self, predicted, tmp_path):
        from srseg.labels import LabelClass, LabelTable

        record = export(predicted, tmp_path / "out", form="tiff")
        table = LabelTable([*DEFAULT_LABELS.classes[:1], LabelClass(1, "DL"), LabelClass(2, "x"),
                            LabelClass(3, "y")])  # fmt: skip
        base = predicted["A"].labels("srseg-wf")
        path = record.folder / record.pieces[0].labels
        write_volume(path, Volume(base.read(), base.grid, table=table), overwrite=True)
        with pytest.raises(LabelError, match="another label table"):
            plan_correction(predicted, path, sample="A", label_set="HQ")
        with pytest.raises(ParameterError, match="no segments"):
            plan_correction(
                predicted, path, sample="A", label_set="HQ", renamed={"Segment_1": "bone"}
            )


def test_a_set_that_is_replaced_under_way_is_told(predicted, tmp_path, label_file, monkeypatch):
    file = edit(export(predicted, tmp_path / "out", label_set="WF"), draw)
    look = _take.find_changes

    def meanwhile(*given):
        predicted.add_labels(label_file(seed=7), sample="A", label_set="WF")
        return look(*given)

    monkeypatch.setattr(_take, "find_changes", meanwhile)
    with pytest.raises(DatasetError, match=r"WF of sample A was replaced while.*again"):
        plan_correction(predicted, file, sample="A", label_set="WF")


def test_what_was_unlabelled_and_stays_so_takes_no_label_away(study, tmp_path):
    sample = study["E"]
    some = np.full(SHAPE, 255, np.uint8)
    some[5, :5] = 1
    write_volume(tmp_path / "some.h5", Volume(some, sample.scan_grid, table=DEFAULT_LABELS))
    study.add_labels(tmp_path / "some.h5", sample="E", label_set="SOME")
    wanted = sample.labels("HQ").read().copy()
    path = export_correction(study, "E", "SOME", [at("z", 5)], tmp_path / "out")
    plan = plan_correction(study, path, sample="E", label_set="HQ")
    study.register_labels(plan.labels)
    wanted[5, :5] = 1
    np.testing.assert_array_equal(study["E"].labels("HQ").read(), wanted)
    assert plan.changes.confirmed == 5 * SHAPE[2]


def test_a_name_tells_pieces_apart_that_lost_their_place(predicted, tmp_path):
    places = [Suggestion("box", None, None, (slice(z, z + 4), slice(0, 10), slice(0, 12)), 0.0, 0.0)
              for z in (0, 4)]  # fmt: skip
    path = export_correction(predicted, "A", "srseg-wf", places, tmp_path / "out", form="tiff",
                             around=0)  # fmt: skip
    record = read_correction(path)
    base = predicted["A"].labels("srseg-wf").read()
    second = record.folder / record.pieces[1].labels
    labels = open_volume(second, labels=True).read().copy()
    labels[0, 0, 0] = (labels[0, 0, 0] + 1) % 4
    # as ImageJ saves it: with the voxel size, without the place
    tifffile.imwrite(second, labels, imagej=True, resolution=(1 / 2.5, 1 / 2.5),
                     metadata={"spacing": 2.5, "unit": "um", "axes": "ZYX"})  # fmt: skip
    plan = take(predicted, second)
    assert plan.changes.n_changed == 1
    after = np.full(SHAPE, 255, np.uint8)
    after[4:] = labels
    np.testing.assert_array_equal(predicted["A"].labels("HQ").read(), after)
    np.testing.assert_array_equal(after[5:], base[5:])


def test_two_files_of_one_piece_are_refused(predicted, tmp_path):
    record = export(predicted, tmp_path / "out", around=1)
    first, second = (record.folder / piece.labels for piece in record.pieces)
    shutil.copy(first, second)
    with pytest.raises(GridError, match=r"are both what was exported as A_z5_labels"):
        plan_correction(predicted, record.folder, sample="A", label_set="HQ")
