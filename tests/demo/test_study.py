"""The study of ``srseg demo``."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from matplotlib.image import imread

from srseg import Dataset, Volume, load_model
from srseg.demo import run_demo
from srseg.errors import DatasetError, MissingFileError, ParameterError
from srseg.io import write_volume
from srseg.phantoms import make_phantom
from srseg.storage import file_sha256

METHODS = ["wf", "single", "soft3", "hard3", "soft9", "hard9"]
SCORES = ["bone", "degradation_layer", "residual_material", "mean"]


def iou(truth, labels):
    scores = [
        np.sum((truth == v) & (labels == v)) / np.sum((truth == v) | (labels == v))
        for v in (1, 2, 3)
    ]
    return [*scores, np.mean(scores)]


def test_the_answer_has_every_score(result):
    answer = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert list(answer["iou"]) == METHODS
    for method in METHODS:
        assert list(answer["iou"][method]) == SCORES
        assert all(0 <= value <= 1 for value in answer["iou"][method].values())
    assert answer["seconds"] > 0
    assert answer["seconds"] == pytest.approx(sum(answer["steps"].values()))


def test_scores_are_what_counting_voxels_gives(result, smallest):
    # the third phantom of the study: after two to train on, seeds from 1000 times the study's
    phantom = make_phantom(
        1002, (40, 40, 40), alloy="Mg-10Gd", beamline="P05", wf_quality=smallest.wf_quality
    )
    found = result.to_dict()["iou"]
    truth = phantom.truth.read()
    assert list(found["wf"].values()) == pytest.approx(iou(truth, phantom.wf.read()))
    sample = Dataset(result.out / "dataset")["V1"]
    np.testing.assert_array_equal(sample.scan.read(), phantom.scan.read())
    kept = sample.labels("srseg-demo/soft9").read()
    assert list(found["soft9"].values()) == pytest.approx(iou(truth, kept))


def test_implant_numbers_are_those_of_the_labels(result):
    numbers = result.to_dict()["numbers"]
    assert list(numbers) == ["degradation_rate", "bone_implant_contact", "bone_fraction_200um"]
    sample = Dataset(result.out / "dataset")["V1"]
    known = sample.metadata
    for name in ("WF", "HQ", "srseg-demo/soft9"):
        residual = np.sum(sample.labels(name).read() == 3) * 0.02**3
        lost = known["initial_volume_mm3"] - residual
        years = known["implantation_days"] / 365.25
        rate = lost / known["initial_surface_mm2"] / years
        assert numbers["degradation_rate"]["V1"][name] == pytest.approx(rate)


def test_what_stays_to_explore(result):
    assert sorted(p.name for p in result.out.iterdir()) == [
        "dataset", "figures", "model.srseg", "report.html",
    ]  # fmt: skip
    dataset = Dataset(result.out / "dataset")
    assert dataset.names == ["T1", "T2", "V1"]
    assert all(sample.label_sets == ["HQ", "WF"] for sample in dataset)
    # training and prediction ask by the number, and must find what preprocess made
    assert all(sample.prepared(20.0, (0.5, 99.9)) is not None for sample in dataset)
    assert dataset.check(deep=True) == []
    for key in ("alloy", "beamline", "energy_kev", "implantation_days", "initial_volume_mm3"):
        assert dataset["V1"].metadata[key]
    model = load_model(result.out / "model.srseg")
    assert model.training_samples_ == ["T1", "T2"]  # what is tested on was not trained on
    made = dataset["V1"].labels_info("srseg-demo/soft9")["Provenance"]
    assert made["model_sha256"] == file_sha256(result.out / "model.srseg")
    assert len(made["planes"]) == 9
    assert result.figure == result.out / "figures" / "comparison.png"
    height, width, _ = imread(result.figure).shape
    assert width > height > 300


def test_a_folder_with_something_in_it_is_refused_and_kept(tmp_path, smallest):
    (tmp_path / "notes").write_text("mine")
    for out in (tmp_path, tmp_path / "notes"):
        with pytest.raises(DatasetError, match="is not an empty folder; choose another --out"):
            run_demo(out, study=smallest)
    assert [p.name for p in tmp_path.iterdir()] == ["notes"]
    assert (tmp_path / "notes").read_text() == "mine"


@pytest.mark.parametrize(
    ("existing", "error"), [(False, KeyboardInterrupt), (True, ZeroDivisionError)]
)
def test_a_failure_leaves_nothing_behind(tmp_path, smallest, monkeypatch, existing, error):
    def broken(figure, path):
        assert (out / "model.srseg").exists()  # all else stands by then
        raise error

    out = tmp_path / "demo"
    if existing:
        out.mkdir()
    monkeypatch.setattr("srseg.demo._study.save_figure", broken)
    with pytest.raises(error):
        run_demo(out, study=dataclasses.replace(smallest, max_iter=1))
    assert list(tmp_path.rglob("*")) == ([out] if existing else [])


def test_what_was_made_is_kept_where_the_page_fails(tmp_path, smallest, monkeypatch):
    def broken(*_, **__):
        raise OSError("no space left on device")

    monkeypatch.setattr("srseg.demo._study.write_report", broken)
    with pytest.raises(OSError, match="no space left"):
        run_demo(tmp_path / "demo", study=smallest)
    assert Dataset(tmp_path / "demo" / "dataset")["V1"].predictions == ["srseg-demo/soft9"]
    assert load_model(tmp_path / "demo" / "model.srseg").training_samples_ == ["T1", "T2"]


@pytest.fixture
def no_page(monkeypatch):
    """The page takes as long as the rest; other tests look at it."""
    monkeypatch.setattr(
        "srseg.demo._study.write_report", lambda _, path: SimpleNamespace(path=path)
    )


@pytest.mark.usefixtures("no_page")
@pytest.mark.parametrize("voxel_size", [None, 17.5])
def test_a_mask_of_real_bone_is_used(tmp_path, smallest, voxel_size):
    # slabs of bone, 4 voxels thick, as large as the phantoms: they are taken whole
    mask = np.zeros((40, 40, 40), np.uint8)
    mask[:, :, 4::8] = mask[:, :, 5::8] = mask[:, :, 6::8] = mask[:, :, 7::8] = 255
    path = tmp_path / "mask.h5"
    if voxel_size is None:
        path = tmp_path / "mask.tif"  # states no voxel size
        tifffile.imwrite(path, mask)
    else:
        write_volume(path, Volume.from_array(mask, voxel_size))
    run_demo(
        tmp_path / "demo",
        bone_mask=path,
        study=dataclasses.replace(smallest, max_iter=1),
    )
    for sample in Dataset(tmp_path / "demo" / "dataset"):
        truth = sample.labels("HQ").read()
        _, y, x = np.indices(truth.shape) - 19.5
        away = np.hypot(y, x) > 18  # the implant stands along z in the middle
        np.testing.assert_array_equal(truth[away] == 1, mask[away] != 0)


def test_what_is_no_mask_of_bone(tmp_path, smallest, result):
    scan = Dataset(result.out / "dataset")["T1"].scan
    write_volume(tmp_path / "scan.h5", scan)
    write_volume(tmp_path / "full.h5", Volume.from_array(np.ones((40, 40, 40), np.uint8), 1.0))
    out = tmp_path / "demo"
    for name, error, says in (
        ("none.h5", MissingFileError, "none.h5 does not exist"),
        ("scan.h5", ParameterError, "scan.h5: a mask has two values, bone and 0, found"),
        ("full.h5", ParameterError, "give a mask with bone and marrow"),
    ):
        with pytest.raises(error, match=says):
            run_demo(out, bone_mask=tmp_path / name, study=smallest)
        assert not out.exists()


@pytest.mark.usefixtures("no_page")
def test_the_ceiling_is_trained_on_the_truth(tmp_path, smallest, result):
    best = run_demo(tmp_path / "best", study=dataclasses.replace(smallest, target="HQ"))
    ours, theirs = best.to_dict()["iou"], result.to_dict()["iou"]
    assert ours["wf"] == theirs["wf"]  # the same phantoms
    assert ours["soft3"] != theirs["soft3"]
