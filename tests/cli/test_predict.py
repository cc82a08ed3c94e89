"""``srseg predict``: samples of a dataset, and scan files in none."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
import torch
from sklearn.frozen import FrozenEstimator

import srseg
from srseg import Dataset, MultiAxisEnsemble, Volume, load_model
from srseg.io import open_volume, write_volume
from srseg.storage import file_sha256, file_stamp

ROUNDING = 1e-4  # of the voxels: scans are kept in steps of 1/65535, and some voxels are ties

NO_TABLE = ("tif", "mha", "nii.gz")  # formats that have no place for the classes


def ensemble(tiny, planes=3, voting="soft"):
    return MultiAxisEnsemble(FrozenEstimator(tiny.segmenter), planes=planes, voting=voting).fit([])


def answer(result):
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def tree(folder):
    return {str(p): p.stat().st_mtime_ns for p in Path(folder).rglob("*") if p.is_file()}


def test_samples_are_labelled_in_the_dataset(run, tiny):
    result = run("predict", tiny.model, "A", "V", "--planes", 9, "-d", tiny.path)
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert [lines[0], lines[5]] == ["A: done, srseg-wf/soft9", "V: done, srseg-wf/soft9"]
    shares = [float(line.split(": ")[1].split(" %")[0]) for line in lines[6:10]]
    assert lines[10:] == ["2 done, 0 were there, 0 failed"]
    dataset = Dataset(tiny.path)
    for name in ("A", "V"):
        kept = dataset[name].labels("srseg-wf/soft9")
        wanted = ensemble(tiny, 9).predict(dataset[name])
        np.testing.assert_array_equal(kept.read(), wanted.read())
        assert kept.grid == wanted.grid
        assert kept.table == dataset.table
    assert np.unique(kept.read()).size > 2  # the model has learned something to differ in
    counted = [100 * np.mean(kept.read() == value) for value in range(4)]
    np.testing.assert_allclose(shares, counted, atol=0.0051)
    stem = f"sub-{dataset['V'].subject}"
    place = tiny.path / f"derivatives/srseg-wf/{stem}/micr/{stem}_sample-V_desc-soft9_dseg.h5"
    assert place.is_file()
    assert answer(run("dataset", "check", "--deep", "-d", tiny.path, "--json"))["problems"] == []


def test_what_is_kept_says_how_it_was_made(run, tiny):
    dataset = Dataset(tiny.path)
    command = ("predict", tiny.model, "V", "--voting", "hard", "--precision", "bf16")
    assert run(*command, "-d", tiny.path).exit_code == 0
    made = dataset["V"].labels_info("srseg-wf/hard3")["Provenance"]
    assert made.pop("runtime") in ("torch", "compile", "openvino")
    assert made == {
        "software": "srseg",
        "version": srseg.__version__,
        "torch": str(torch.__version__),
        "model": "wf.srseg",
        "model_sha256": file_sha256(tiny.model),
        "backbone": "unet",
        "width": 4,
        "depth": 2,
        "training_samples": load_model(tiny.model).training_samples_,
        "validation_samples": [],
        "voxel_size_um": 20.0,
        "clip_percentiles": [0.5, 99.9],
        "planes": ["rc", "cp", "pr"],
        "voting": "hard",
        "device": "cpu",
        "precision": "bf16",
        "source": {
            "file": dataset["V"].scan_file.path.name,
            "reading": {},
            "stamp": file_stamp(dataset["V"].scan_file.path).to_dict(),
        },
    }


def test_what_was_there_is_left_alone_unless_told(run, tiny):
    command = ("predict", tiny.model, "V", "--planes", 1, "-d", tiny.path, "--json")
    first = answer(run(*command))
    assert first["planes"] == ["rc"]
    assert first["voting"] == "soft"
    assert first["predictions"][0]["status"] == "done"
    before = tree(tiny.path)
    again = answer(run(*command))
    assert again["predictions"] == [first["predictions"][0] | {"status": "was there"}]
    assert tree(tiny.path) == before
    assert "V: was there, srseg-wf/soft1" in run(*command[:-1]).stdout
    replaced = answer(run(*command, "--overwrite"))
    assert replaced["predictions"] == first["predictions"]
    written = [path for path, when in tree(tiny.path).items() if before.get(path) != when]
    assert {Path(path).suffix for path in written} == {".h5", ".json"}


def test_another_model_of_that_name_is_not_taken_for_this_one(run, tiny):
    command = ("-d", tiny.path, "--planes", 1)
    assert run("predict", tiny.model, "V", *command).exit_code == 0
    other = shutil.copy(tiny.model, "w-f.srseg")  # letters and digits: wf too
    load_model(tiny.model).set_params(device="auto").save(other, overwrite=True)
    before = tree(tiny.path)
    result = run("predict", other, "A", "V", *command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "sample V has a prediction srseg-wf/soft1 by another model" in result.stderr
    assert "rename w-f.srseg, or replace that prediction with --overwrite" in result.stderr
    assert tree(tiny.path) == before
    assert run("predict", other, "V", *command, "--overwrite").exit_code == 0


def test_another_label_table_is_refused_before_predicting(run, tiny):
    table = tiny.path / "dseg.tsv"
    table.write_text(table.read_text().replace("degradation layer", "crust"))
    before = tree(tiny.path)
    result = run("predict", tiny.model, "V", "-d", tiny.path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "wf.srseg has another label table" in result.stderr
    assert "crust" in result.stderr
    assert tree(tiny.path) == before


@pytest.mark.parametrize("file_format", ["h5", "tif", "mha", "nrrd", "seg.nrrd", "nii.gz"])
def test_a_bare_scan_file_in_every_format(run, tiny, file_format):
    scan = open_volume(tiny.folder / "V-scan.h5")
    tifffile.imwrite("scan.tif", scan.read())
    result = run(
        "predict", tiny.model, "scan.tif", "--voxel-size", "20um", "--planes", 9, "--voting",
        "soft", "--format", file_format, "--out", f"labels.{file_format}", "--json",
    )  # fmt: skip
    row = answer(result)["predictions"][0]
    assert (row["scan"], row["labels"]) == ("scan.tif", f"labels.{file_format}")
    labels = open_volume(f"labels.{file_format}", labels=True)
    wanted = ensemble(tiny, 9).predict(Volume.from_array(scan.read(), 20.0))
    np.testing.assert_array_equal(labels.read(), wanted.read())
    assert labels.read().dtype == np.uint8
    np.testing.assert_allclose(labels.grid.voxel_size, 20.0, rtol=1e-6)
    assert labels.grid.same_as(scan.grid)
    if file_format not in NO_TABLE:
        assert labels.table == tiny.segmenter.label_table_


def test_the_file_carries_how_it_was_made(run, tiny):
    scan = tiny.folder / "V-scan.h5"
    result = run("predict", tiny.model, scan, "--planes", "rc, cp@45p", "--voting", "hard")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[0] == f"{scan}: done, V-scan_labels.h5"
    with h5py.File("V-scan_labels.h5") as file:
        texts = []
        file.visititems(
            lambda _, item: texts.extend([item[()]] if getattr(item, "shape", 1) == () else [])
        )
    told = " ".join(t.decode() for t in texts if isinstance(t, bytes))
    for text in (file_sha256(tiny.model), file_stamp(scan).header_sha256, "cp@45p", "hard"):
        assert text in told
    wanted = ensemble(tiny, ["rc", "cp@45p"], "hard").predict(open_volume(scan))
    np.testing.assert_array_equal(
        open_volume("V-scan_labels.h5", labels=True).read(), wanted.read()
    )


def test_a_folder_of_slices(run, tiny):
    Path("slices").mkdir()
    voxels = open_volume(tiny.folder / "V-scan.h5").read()
    for z, image in enumerate(voxels):
        tifffile.imwrite(f"slices/{z:03d}.tif", image)
    result = run("predict", tiny.model, "slices", "--voxel-size", "20um", "--planes", 1)
    assert result.exit_code == 0, result.stderr
    wanted = ensemble(tiny, 1).predict(Volume.from_array(voxels, 20.0))
    labels = open_volume("slices_labels.h5", labels=True)
    assert (labels.read() != wanted.read()).mean() < ROUNDING


def test_a_finer_scan_is_resampled_to_the_grid_of_the_model(run, tiny):
    scan = open_volume(tiny.folder / "V-scan.h5")
    # each voxel as eight: the mean of the eight is the voxel, so the labels must be the same
    fine = scan.read().repeat(2, 0).repeat(2, 1).repeat(2, 2)
    write_volume("fine.mha", Volume.from_array(fine, 10.0))
    result = run("predict", tiny.model, "fine.mha", "--out", "labels.h5")
    assert result.exit_code == 0, result.stderr
    assert "fine.mha: resampled from 10 µm to the model's 20 µm, 40 x 44 x 42 voxels" in (
        result.stderr
    )
    labels = open_volume("labels.h5", labels=True)
    assert labels.grid.voxel_size == (20.0, 20.0, 20.0)
    assert labels.grid == open_volume("fine.mha").grid.resampled(20.0)
    np.testing.assert_array_equal(labels.read(), ensemble(tiny).predict(scan).read())


def test_labels_on_the_voxels_of_the_scan(run, tiny):
    scan = open_volume(tiny.folder / "V-scan.h5")
    fine = scan.read().repeat(2, 0).repeat(2, 1).repeat(2, 2)
    write_volume("fine.mha", Volume.from_array(fine, 10.0))
    result = run("predict", tiny.model, "fine.mha", "--grid", "scan", "--out", "labels.h5")
    assert result.exit_code == 0, result.stderr
    labels = open_volume("labels.h5", labels=True)
    assert labels.grid == open_volume("fine.mha").grid
    coarse = ensemble(tiny).predict(scan).read()
    np.testing.assert_array_equal(labels.read(), coarse.repeat(2, 0).repeat(2, 1).repeat(2, 2))


def test_predictions_on_either_grid_stand_side_by_side(run, tiny):
    command = ("predict", tiny.model, "V", "--planes", 1, "-d", tiny.path)
    assert run(*command).exit_code == 0
    result = run(*command, "--grid", "scan")
    assert result.stdout.startswith("V: done, srseg-wf/soft1+scan")
    sample = Dataset(tiny.path)["V"]
    assert sample.predictions == ["srseg-wf/soft1", "srseg-wf/soft1+scan"]
    assert answer(run("dataset", "check", "-d", tiny.path, "--json"))["problems"] == []


def test_a_working_copy_changes_no_more_than_its_rounding(run, tiny):
    """The copy keeps grey values in steps of 1/65535.

    Each is off by at most 1/131070. How far that moves probabilities depends on the network; labels
    may change only where the two best classes are closer than that.
    """
    command = ("predict", tiny.model, "V", "--planes", 3, "-d", tiny.path)
    sample = Dataset(tiny.path)["V"]
    assert sample.prepared(20.0, (0.5, 99.9)) is None
    assert run(*command).exit_code == 0
    without = sample.labels("srseg-wf/soft3").read()
    plain = ensemble(tiny).predict_proba(sample)
    assert run("preprocess", "V", "--voxel-size", "20um", "-d", tiny.path).exit_code == 0
    copy = sample.prepared(20.0, (0.5, 99.9))
    assert copy is not None
    assert run(*command, "--overwrite").exit_code == 0
    prepared = sample.labels("srseg-wf/soft3").read()
    moved = np.abs(ensemble(tiny).predict_proba(sample) - plain).max()
    assert moved < 2e-3
    second, first = np.sort(plain, axis=0)[-2:]
    changed = without != prepared
    assert np.all((first - second)[changed] <= 2 * moved)
    assert changed.mean() < 1e-3


def test_a_training_with_voxel_size_scan_uses_that_copy_too(run, tiny):
    assert run("preprocess", "V", "--voxel-size", "scan", "-d", tiny.path).exit_code == 0
    sample = Dataset(tiny.path)["V"]
    assert sample.prepared(None, (0.5, 99.9)) is not None


def test_samples_as_files_too(run, tiny):
    Path("files").mkdir()
    command = ("predict", tiny.model, "V", "A", "--planes", 1, "-d", tiny.path, "--out", "files")
    result = run(*command, "--format", "mha")
    assert result.exit_code == 0, result.stderr
    assert "V: done, srseg-wf/soft1, files/V_wf_soft1.mha" in result.stdout
    for name in ("A", "V"):
        kept = Dataset(tiny.path)[name].labels("srseg-wf")
        file = open_volume(f"files/{name}_wf_soft1.mha", labels=True)
        np.testing.assert_array_equal(file.read(), kept.read())
        assert file.grid.same_as(kept.grid)
    # what was predicted before is only written out
    row = answer(run(*command, "--format", "tif", "--json"))["predictions"][1]
    assert (row["status"], row["file"]) == ("was there", "files/V_wf_soft1.tif")
    assert Path("files/V_wf_soft1.tif").is_file()


def test_a_sample_is_meant_where_a_folder_has_its_name(run, tiny):
    Path("V").mkdir()
    result = run("predict", tiny.model, "V", "--planes", 1, "-d", tiny.path)
    assert result.stdout.startswith("V: done, srseg-wf/soft1")


def test_one_of_two_volumes_in_a_file(run, tiny):
    voxels = open_volume(tiny.folder / "V-scan.h5").read()
    with h5py.File("two.h5", "w") as file:
        file["a"], file["b/c"] = voxels, voxels[::-1]
    command = ("predict", tiny.model, "two.h5", "--voxel-size", "20um", "--planes", 1)
    result = run(*command)
    assert result.exit_code == 1
    assert "/b/c" in result.stderr
    assert run(*command, "--dataset-path", "/b/c").exit_code == 0
    wanted = ensemble(tiny, 1).predict(Volume.from_array(voxels[::-1], 20.0))
    labels = open_volume("two_labels.h5", labels=True)
    assert (labels.read() != wanted.read()).mean() < ROUNDING


def test_nothing_is_left_of_a_prediction_that_fails(run, tiny, monkeypatch):
    before = tree(tiny.path)
    monkeypatch.setattr(MultiAxisEnsemble, "prepare_prediction", lambda *_, **__: 1 / 0)
    for scan in ("V", tiny.folder / "V-scan.h5"):
        assert run("predict", tiny.model, scan, "-d", tiny.path).exit_code == 1
    assert tree(tiny.path) == before
    assert tree(".") == {}


SCAN = "nosize.tif"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("none.srseg", "V"), 1, "none.srseg: no such model file"),
        (("text.srseg", "V"), 1, "text.srseg: not a readable srseg model"),
        (("text.srseg", "V"), 1, "give a file that srseg train or VolumeSegmenter.save wrote"),
        (("MODEL", "Vv"), 1, "has no sample 'Vv'; did you mean 'V'? There are: A, B, C, V"),
        (("MODEL", "none.tif"), 1, "none.tif does not exist"),
        (("MODEL", SCAN), 1, "nosize.tif: no voxel size in the file; pass --voxel-size"),
        (("MODEL", SCAN, "--voxel-size", 20), 2, "'20' has no unit"),
        (("MODEL", SCAN, "V"), 1, "one scan file at a time"),
        (("MODEL", "V", "--planes", 4), 2, "there are standard sets of 1, 3 and 9 planes, found 4"),
        (("MODEL", "V", "--planes", "rc@45p"), 2, "rotate about another axis"),
        (("MODEL", "V", "--planes", "rc,rc"), 2, "same"),
        (("MODEL", "V", "--planes", "xy"), 2, "no plane 'xy'; write rc, cp or pr"),
        (("MODEL", "V", "--voting", "loud"), 2, "'loud' is not soft or hard"),
        (("MODEL", "V", "--grid", "atlas"), 2, "'atlas' is not one of 'model', 'scan'"),
        (("MODEL", "V", "--device", "moon"), 1, "device 'moon' cannot be used here"),
        (("MODEL", "V", "--precision", "int8"), 1, "precision is 'auto', 'fp32' or 'bf16'"),
        (("MODEL", "V", "--format", "doc"), 2, "'doc' is not one of h5, tif, mha, nrrd"),
        (("MODEL", "V", "--out", "labels.h5"), 2, "labels of samples go into the dataset"),
        (("MODEL", "V", "--voxel-size", "20um"), 2, "is for a scan file"),
        (("MODEL", "V", "--path", "/data"), 2, "is for a scan file"),
        (("MODEL", "V", "--format", "tif", "--out", "none"), 1, "the folder none does not exist"),
    ],
)  # fmt: skip
def test_what_cannot_be_predicted(run, tiny, arguments, code, says, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    Path("text.srseg").write_text("hello")
    tifffile.imwrite(SCAN, np.zeros((8, 8, 8), np.uint8))
    before = tree(tiny.folder) | tree(".")
    words = [tiny.model if word == "MODEL" else word for word in arguments]
    result = run("predict", *words, "-d", tiny.path)
    assert (result.exit_code, result.stdout) == (code, "")
    assert says in result.stderr
    assert tree(tiny.folder) | tree(".") == before


@pytest.mark.parametrize(
    ("place", "code", "says"),
    [
        (("--out", "there.h5"), 1, "there.h5 exists already; choose another --out or say"),
        (("--out", "none/x.h5"), 1, "the folder none does not exist; make it first"),
        (("--out", "x.docx"), 1, "x.docx: labels are written as .h5, .tif, .mha"),
        (("--out", "x.tif", "--format", "h5"), 2, "x.tif does not end in .h5 as --format h5 asks"),
    ],
)
def test_places_that_cannot_be_written_are_refused_before_predicting(
    run, tiny, place, code, says, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "400")
    Path("there.h5").write_text("kept")
    monkeypatch.setattr(
        MultiAxisEnsemble, "prepare_prediction", lambda *_, **__: pytest.fail("it was predicted")
    )
    result = run("predict", tiny.model, tiny.folder / "V-scan.h5", *place)
    assert (result.exit_code, result.stdout) == (code, "")
    assert says in result.stderr
    assert Path("there.h5").read_text() == "kept"


@pytest.mark.parametrize(
    ("name", "kept"), [("modèle-ê2", "modle2"), ("ê", "model"), ("w" * 64, "w" * 64)]
)
def test_the_name_of_the_model_file_becomes_one_that_can_be_kept(run, tiny, name, kept):
    model = shutil.copy(tiny.model, tiny.folder / f"{name}.srseg")
    result = run("predict", model, "V", "--planes", 1, "-d", tiny.path, "--json")
    assert answer(result)["predictions"][0]["labels"].startswith(f"srseg-{kept}/")
    assert len(Dataset(tiny.path)["V"].predictions) == 1
    assert Dataset(tiny.path).check() == []


def test_a_model_name_that_cannot_be_kept_is_refused_before_predicting(run, tiny, monkeypatch):
    monkeypatch.setattr(
        MultiAxisEnsemble, "prepare_prediction", lambda *_, **__: pytest.fail("it was predicted")
    )
    model = shutil.copy(tiny.model, tiny.folder / f"{'w' * 65}.srseg")
    result = run("predict", model, "V", "-d", tiny.path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "65 letters and digits, at most 64 are allowed; rename the file" in result.stderr


def test_an_existing_file_is_replaced_when_told(run, tiny):
    Path("there.h5").write_text("old")
    command = ("predict", tiny.model, tiny.folder / "V-scan.h5", "--planes", 1, "--out", "there.h5")
    assert run(*command, "--overwrite").exit_code == 0
    assert open_volume("there.h5", labels=True).shape == (40, 44, 42)


def test_outside_a_dataset_samples_are_told_so(run, tiny):
    result = run("predict", tiny.model, "V")
    assert result.exit_code == 1
    assert "name one with -d DIR" in result.stderr


def test_a_scan_file_that_does_not_say_how_to_read_it(run, tiny, tmp_path):
    """Bare voxels with turned axes give the labels of the scan itself."""
    scan = open_volume(tiny.folder / "V-scan.h5")
    raw = tmp_path / "V.raw"
    raw.write_bytes(scan.read().T.astype(">u2").tobytes())
    shape = ",".join(str(n) for n in scan.shape[::-1])
    size = f"{scan.grid.voxel_size[0]}um"
    told = ["--axes", "xyz", "--shape", shape, "--dtype", ">u2", "--voxel-size", size]
    out = ["--out", tmp_path / "raw.h5", "--planes", "1"]
    result = run("predict", tiny.model, raw, *told, *out)
    assert result.exit_code == 0, result.stderr
    same = ["--out", tmp_path / "same.h5", "--planes", "1"]
    assert run("predict", tiny.model, tiny.folder / "V-scan.h5", *same).exit_code == 0
    np.testing.assert_array_equal(
        open_volume(tmp_path / "raw.h5").read(), open_volume(tmp_path / "same.h5").read()
    )
    result = run("predict", tiny.model, "V", "--axes", "xyz", "-d", tiny.path)
    assert result.exit_code == 2
    assert "--axes" in result.stderr


def test_two_models_are_refused_with_what_to_do(run, tiny):
    result = run("predict", tiny.model, tiny.model, "A", "-d", tiny.path)
    assert result.exit_code == 2
    said = " ".join(result.stderr.replace("│", " ").split())
    assert "a model, where samples or a scan file stand; give one model at a time" in said
    assert "srseg compare" in said
