"""``srseg quantify``: from labels to numbers, tables, a study, figures and a methods section."""

import csv
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage

from srseg import DEFAULT_LABELS, Dataset, LabelClass, LabelTable, Volume
from srseg.dataset import set_metadata
from srseg.io import write_volume
from srseg.quantification import CalibratedMeasure, IntervalCalibration

NAMES = "ABCDEF"
VOXEL = 20.0
DAYS, INITIAL = 56.0, (0.08, 1.2)


def implant(seed, *, crack):
    """Give an implant of metal in a layer, half in bone; the seed moves the bone."""
    labels = np.zeros((40, 40, 40), np.uint8)
    rng = np.random.default_rng(seed)
    labels[:, : 18 + int(rng.integers(5))] = 1
    labels[8:32, 12:28, 12:28] = 2
    labels[10:30, 14:26, 14 : 24 + seed % 3] = 3
    if crack:
        labels[20, 12:28, 12:14] = 0
    return labels


@pytest.fixture(scope="session")
def _made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quantify")
    dataset = Dataset.create(folder / "study")
    rng = np.random.default_rng(0)
    for seed, name in enumerate(NAMES):
        truth = implant(seed, crack=True)
        scan = (9000.0 * truth + rng.integers(0, 2000, truth.shape)).astype(np.uint16)
        volumes = {
            "scan": Volume.from_array(scan, VOXEL),
            "HQ": Volume.from_array(truth, VOXEL, table=DEFAULT_LABELS),
            "WF": Volume.from_array(implant(seed, crack=False), VOXEL, table=DEFAULT_LABELS),
        }
        for what, volume in volumes.items():
            write_volume(folder / f"{name}-{what}.h5", volume)
        dataset.add_sample(
            folder / f"{name}-scan.h5", name=name,
            metadata={
                "alloy": "Mg-5Gd" if seed < 3 else "Mg-10Gd", "time_point": "8w",
                "implantation_days": DAYS, "initial_volume_mm3": INITIAL[0],
                "initial_surface_mm2": INITIAL[1], "beamline": "P05",
            },
        )  # fmt: skip
        for label_set in ("WF", "HQ") if name in "AB" else ("WF",):
            dataset.add_labels(
                folder / f"{name}-{label_set}.h5", sample=name, label_set=label_set,
                manual=label_set == "HQ",
            )  # fmt: skip
    return folder


@pytest.fixture
def made(_made, tmp_path, monkeypatch):
    """Give a folder with six samples, WF of all, HQ of A and B; the current folder is empty."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return shutil.copytree(_made, tmp_path / "made")


@pytest.fixture
def quantify(run, made):
    return lambda *arguments: run("quantify", *arguments, "-d", made / "study")


def answer(result, code=0):
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def by_name(document):
    return {
        (m["facts"]["sample"], m["facts"]["label_set"]): {v["name"]: v for v in m["measures"]}
        for m in document["measures"]
    }


def contact(labels):
    """Give the share of boundary voxels of the implant that touch bone, with scipy."""
    inside = (labels == 2) | (labels == 3)
    faces = ndimage.generate_binary_structure(3, 1)
    boundary = inside & ndimage.binary_dilation(~inside, faces)
    return 100 * (boundary & ndimage.binary_dilation(labels == 1, faces)).sum() / boundary.sum()


def bone_fraction(labels, distance):
    inside = (labels == 2) | (labels == 3)
    away = ndimage.distance_transform_edt(~inside, sampling=VOXEL)
    region = (away <= distance) & ~inside
    return 100 * (region & (labels == 1)).sum() / region.sum()


def test_the_numbers_are_what_counting_voxels_gives(quantify):
    found = by_name(answer(quantify("A", "B", "--distance", "60um", "--json")))
    assert list(found) == [("A", "HQ"), ("A", "WF"), ("B", "HQ"), ("B", "WF")]
    for (sample, label_set), measures in found.items():
        labels = implant(NAMES.index(sample), crack=label_set == "HQ")
        metal = (labels == 3).sum() * (VOXEL / 1000) ** 3
        rate = (INITIAL[0] - metal) / (INITIAL[1] * DAYS / 365.25)
        assert measures["volume_residual_material"]["value"] == pytest.approx(metal)
        assert measures["degradation_rate"]["value"] == pytest.approx(rate)
        assert measures["bone_implant_contact"]["value"] == pytest.approx(contact(labels))
        assert measures["bone_fraction_60um"]["value"] == pytest.approx(bone_fraction(labels, 60))
        assert measures["degradation_rate"]["unit"] == "mm/year"
        assert all(one["definition"] for one in measures.values())
    assert found["A", "HQ"]["bone_implant_contact"] != found["A", "WF"]["bone_implant_contact"]


def test_what_was_measured_is_shown_with_the_sample(run, made, quantify):
    show = ("dataset", "show", "A", "-d", made / "study")
    assert answer(run(*show, "--json"))["measured"] == {}
    assert "numbers)" not in run(*show).stdout
    kept = by_name(answer(quantify("A", "--labels", "HQ", "--json")))["A", "HQ"]
    assert answer(run(*show, "--json"))["measured"] == {"HQ": len(kept)}
    assert f"HQ ({len(kept)} numbers)" in run(*show).stdout


def test_the_table_of_the_paper(quantify):
    table = answer(quantify("--labels", "WF", "--against", "HQ", "--json"))
    rows = table["comparison"]["rows"]
    assert {row["sample"] for row in rows} == {"A", "B"}
    assert list(dict.fromkeys(row["measure"] for row in rows)) == [
        "degradation_rate", "bone_implant_contact",
        *(f"bone_fraction_{d}um" for d in (50, 100, 200, 500)),
    ]  # fmt: skip
    hq, wf = (contact(implant(0, crack=crack)) for crack in (True, False))
    one = next(r for r in rows if (r["measure"], r["sample"]) == ("bone_implant_contact", "A"))
    assert one["label_sets"]["WF"]["relative_difference"] == pytest.approx((wf - hq) / hq)
    assert [row["status"] for row in table["label_sets"]] == ["done"] * 4 + ["lacks"] * 4
    text = quantify("--labels", "WF", "--against", "HQ").stdout
    assert f"{wf:.2f} ({one['label_sets']['WF']['printed']})" in text


def test_what_is_up_to_date_is_not_measured_again(quantify, made, monkeypatch):
    import srseg.quantification

    measured = []
    real = srseg.quantification.measure
    monkeypatch.setattr(
        srseg.quantification, "measure", lambda *a, **k: measured.append(1) or real(*a, **k)
    )
    first = answer(quantify("A", "--labels", "WF", "--json"))
    assert (len(measured), first["counts"]["done"]) == (1, 1)
    again = answer(quantify("A", "--labels", "WF", "--json"))
    assert (len(measured), again["counts"]["was there"]) == (1, 1)
    assert again["measures"] == first["measures"]
    kept = Dataset(made / "study")["A"].measures("WF")
    assert kept["bone_implant_contact"].value == pytest.approx(contact(implant(0, crack=False)))

    def measures_anew(*options):
        before = len(measured)
        assert quantify("A", "--labels", "WF", *options).exit_code == 0
        return len(measured) > before

    assert measures_anew("--again")
    assert measures_anew("--neighbourhood", "26")
    assert not measures_anew("--neighbourhood", "26")
    assert measures_anew("--distance", "100um")
    assert measures_anew("--days", "100")
    dataset = Dataset(made / "study")
    assert measures_anew()
    set_metadata(dataset, "A", {"initial_volume_mm3": 0.09})
    assert measures_anew()
    dataset.add_labels(made / "A-HQ.h5", sample="A", label_set="WF")
    assert measures_anew()
    assert not measures_anew()
    assert dataset["A"].measures("WF").facts["revision"] == 2


def test_nothing_is_kept_where_that_is_asked_for(quantify, made):
    assert quantify("A", "--no-save").exit_code == 0
    assert Dataset(made / "study")["A"].measures("WF") is None
    assert list((made / "study").rglob("*measures*")) == []


def test_the_dataset_stays_whole(quantify, made, run):
    assert quantify().exit_code == 0
    assert run("dataset", "check", "-d", made / "study", "--deep").exit_code == 0


def test_a_sample_that_fails_does_not_stop_the_rest(quantify, made):
    dataset = Dataset(made / "study")
    path = dataset["B"].labels_sidecar("WF").with_suffix(".h5")
    path.write_bytes(path.read_bytes()[:-100])
    result = quantify("--labels", "WF", "--json")
    document = answer(result, code=1)
    assert document["counts"] == {"done": 5, "was there": 0, "lacks": 0, "failed": 1}
    assert "sample B, WF failed" in result.stderr
    assert {m["facts"]["sample"] for m in document["measures"]} == set("ACDEF")


def test_where_everything_fails_json_says_so(quantify, made):
    Dataset(made / "study")["B"].labels_sidecar("WF").with_suffix(".h5").unlink()
    document = answer(quantify("B", "--labels", "WF", "--json"), code=1)
    assert (document["measures"], document["comparison"]) == ([], None)
    assert "is missing" in document["label_sets"][0]["reason"]
    assert quantify("B", "--labels", "WF").stdout == ""


def test_a_sample_that_never_was_implanted(quantify, made):
    set_metadata(Dataset(made / "study"), "A", {"implantation_days": 0})
    measures = by_name(answer(quantify("A", "--labels", "WF", "--json")))["A", "WF"]
    assert measures["degradation_rate"]["value"] is None
    assert "never implanted" in measures["degradation_rate"]["note"]
    assert measures["bone_implant_contact"]["value"] > 0


def test_label_sets_that_are_not_there(quantify):
    result = quantify("--labels", "GT")
    assert result.exit_code == 1
    assert "no sample has a label set GT; there are: HQ, WF" in result.stderr
    named = quantify("A", "C", "--labels", "HQ")
    assert named.exit_code == 1
    assert "sample C, HQ failed: it has no label set 'HQ'; it has: WF" in named.stderr
    every = quantify("--labels", "HQ")
    assert every.exit_code == 0
    assert "sample C is left out" in every.stderr


def test_every_form_and_file(quantify, tmp_path):
    command = ("A", "B", "--labels", "WF", "--against", "HQ")
    shown = {form: quantify(*command, "--format", form).stdout for form in
             ("text", "csv", "tsv", "markdown", "latex")}  # fmt: skip
    assert shown["markdown"].startswith("| quantity | sample | WF | HQ |")
    assert r"\begin{tabular}{llrr}" in shown["latex"]
    assert shown["csv"].startswith("measure,title,unit,sample,label_set,value")
    assert shown["tsv"].startswith("sample\tlabel_set\trevision")
    for form, suffix in {"csv": "csv", "tsv": "tsv", "markdown": "md", "latex": "tex"}.items():
        out = tmp_path / f"table.{suffix}"
        assert quantify(*command, "--out", out).exit_code == 0
        assert out.read_text() == shown[form] if form != "text" else True
    refused = quantify(*command, "--out", tmp_path / "table.csv")
    assert refused.exit_code == 1
    assert "exists already; name another file, or say --overwrite" in refused.stderr
    assert quantify(*command, "--out", tmp_path / "table.csv", "--overwrite").exit_code == 0
    assert quantify(*command, "--out", tmp_path / "table.doc").exit_code == 2
    out = tmp_path / "all.json"
    assert quantify(*command, "--out", out).stdout == ""
    assert json.loads(out.read_text())["comparison"]["reference"] == "HQ"


def test_a_study(quantify, tmp_path):
    files = [tmp_path / f"study{end}.csv" for end in ("", "_groups", "_tests")]
    figures, methods = tmp_path / "figures", tmp_path / "methods.txt"
    result = quantify(
        "--labels", "WF", "--study", files[0], "--figures", figures, "--methods", methods
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    lines, groups, tests = (list(csv.DictReader(f.read_text().splitlines())) for f in files)
    assert {line["sample"] for line in lines} == set(NAMES)
    assert {line["alloy"] for line in lines} == {"Mg-5Gd", "Mg-10Gd"}
    rates = [g for g in groups if g["measure"] == "degradation_rate"]
    assert [(g["alloy"], g["time"], g["n_subjects"]) for g in rates] == [
        ("Mg-10Gd", "8w", "3"), ("Mg-5Gd", "8w", "3"),
    ]  # fmt: skip
    rate = next(t for t in tests if t["measure"] == "degradation_rate")
    assert rate["method"].startswith("Mann-Whitney U, exact")
    assert "no p below 0.1" in rate["note"]
    assert (figures / "degradation_rate_WF.png").stat().st_size > 5000
    assert (figures / "bone_fraction_profile.png").is_file()
    text = methods.read_text()
    assert "6 samples imaged at P05" in text
    assert "exact Mann-Whitney" in text
    assert "how the labels" not in text


def test_the_methods_section_names_the_model(run, tiny):
    for name in "CV":
        assert run("predict", tiny.model, name, "--planes", 3, "-d", tiny.path).exit_code == 0
    result = run("quantify", "C", "V", "--labels", "srseg-wf", "--against", "HQ", "-d", tiny.path,
                 "--methods", "-")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0].split() == ["quantity", "sample", "srseg-wf/soft3", "HQ"]
    assert "a 2D U-Net (width c₀ = 4 and depth d = 2) labelled slices along 3" in result.stdout
    assert "n/a" in result.stdout  # the phantoms were added without what the rate needs
    assert "of the implant before implantation are not both known" in result.stderr
    again = run("quantify", "--labels", "WF", "--against", "srseg-wf", "-d", tiny.path, "--json")
    assert answer(again)["comparison"]["reference"] == "srseg-wf/soft3"


def test_label_files(run, made):
    files = [made / "A-WF.h5", made / "A-HQ.h5"]
    given = ("--initial-volume", "0.08mm^3", "--initial-surface", "1.2e6 um^2", "--days", DAYS)
    document = answer(run("quantify", *files, "--against", files[1], *given, "--json"))
    found = by_name(document)
    labels = implant(0, crack=True)
    metal = (labels == 3).sum() * (VOXEL / 1000) ** 3
    rate = found["", "A-HQ.h5"]["degradation_rate"]["value"]
    assert rate == pytest.approx((0.08 - metal) / (1.2 * DAYS / 365.25))
    assert document["comparison"]["reference"] == "A-HQ.h5"
    for option in (("--labels", "WF"), ("--select", "has=WF"), ("--study", "s.csv")):
        assert run("quantify", files[0], *option).exit_code == 2


def test_label_files_of_one_name(run, made):
    files = [made / name / "labels.h5" for name in ("WF", "HQ")]
    for file in files:
        file.parent.mkdir()
        shutil.copy(made / f"A-{file.parent.name}.h5", file)
    document = answer(run("quantify", *files, "--against", files[1], "--json"))
    assert document["comparison"]["reference"] == str(files[1])
    assert document["comparison"]["columns"] == [str(file) for file in files]


def test_a_label_file_that_fails_does_not_stop_the_rest(run, made):
    import h5py

    files = [made / "A-WF.h5", made / "A-HQ.h5"]
    (made / "broken.h5").write_bytes(b"no HDF5")
    # what cannot be opened is said before anything is measured
    refused = run("quantify", *files, made / "broken.h5")
    assert refused.exit_code == 1
    assert "broken.h5 is not an HDF5 file" in refused.stderr
    with h5py.File(files[0], "a") as file:
        found = []
        file.visititems(lambda _, x: found.append(x) if getattr(x, "ndim", 0) == 3 else None)
        found[0][0, 0, 0] = 77
    result = run("quantify", *files, "--json")
    document = answer(result, 1)
    assert list(by_name(document)) == [("", "A-HQ.h5")]
    assert [row["status"] for row in document["label_sets"]] == ["failed", "done"]
    assert f"A-WF.h5 failed: {files[0]}: value 77 is not in the label table" in result.stderr
    assert document["summary"].endswith("1 failed: A-WF.h5")
    alone = run("quantify", files[0])
    assert alone.exit_code == 1
    assert f"{files[0]}: value 77 is not in the label table" in alone.stderr


def test_files_that_say_nothing(run, made, tmp_path):
    import tifffile

    labels = implant(0, crack=True)
    tifffile.imwrite(tmp_path / "bare.tif", labels)
    bare = run("quantify", tmp_path / "bare.tif")
    assert bare.exit_code == 1
    assert "voxel size" in bare.stderr
    result = run("quantify", tmp_path / "bare.tif", "--voxel-size", "20um", "--json")
    value = by_name(answer(result))["", "bare.tif"]["bone_implant_contact"]["value"]
    assert value == pytest.approx(contact(labels))
    assert "they are taken to be 0 background, 1 bone" in result.stderr


def test_a_voxel_size_that_the_file_has_wrong(run, made):
    file = made / "A-WF.h5"
    words = ("quantify", file, "--measure", "volume_bone", "--json")
    stated = answer(run(*words))["measures"][0]["measures"][0]["value"]
    assert "--override-voxel-size" in run(*words, "--voxel-size", "7um").stderr
    corrected = answer(run(*words, "--override-voxel-size", f"{2 * VOXEL}um"))
    assert corrected["measures"][0]["measures"][0]["value"] == pytest.approx(8 * stated)
    assert run("quantify", "A", "--override-voxel-size", "5um").exit_code == 2


def test_other_classes(run, tmp_path):
    labels = implant(0, crack=False)
    labels[labels == 2] = 3
    table = LabelTable([LabelClass(0, "air"), LabelClass(1, "bone"), LabelClass(3, "titanium")])
    path = tmp_path / "titanium.h5"
    write_volume(path, Volume.from_array(labels, VOXEL, table=table))
    refused = run("quantify", path)
    assert refused.exit_code == 1
    assert "1 (bone), 3 (titanium)" in refused.stderr
    command = ("quantify", path, "--layer", "none", "--residual", "titanium", "--json")
    measures = by_name(answer(run(*command)))["", "titanium.h5"]
    assert measures["bone_implant_contact"]["value"] == pytest.approx(contact(labels))
    assert measures["layer_thickness"]["value"] is None
    assert "volume_titanium" in measures


def test_the_implant_before_implantation(quantify, made, tmp_path):
    trimesh = pytest.importorskip("trimesh", reason="trimesh is in the extra 'mesh'")
    trimesh.creation.box(extents=(0.4, 0.5, 0.6)).export(tmp_path / "pin.stl")
    metal = (implant(0, crack=False) == 3).sum() * (VOXEL / 1000) ** 3
    result = quantify("A", "--labels", "WF", "--mesh", tmp_path / "pin.stl", "--json")
    rate = by_name(answer(result))["A", "WF"]["degradation_rate"]
    assert rate["value"] == pytest.approx((0.12 - metal) / (1.48 * DAYS / 365.25))
    assert "mesh pin.stl" in rate["settings"]["initial_source"]
    assert "the implant before implantation: 0.12 mm³, 1.48 mm²" in result.stderr
    wrong = quantify("A", "--mesh", tmp_path / "pin.stl", "--mesh-unit", "um")
    assert wrong.exit_code == 1
    assert "Say the unit of the file" in wrong.stderr

    before = np.zeros((40, 40, 40), np.uint8)
    before[8:32, 12:28, 12:28] = 1
    write_volume(tmp_path / "before.h5", Volume.from_array(before, VOXEL))
    result = quantify("A", "--labels", "WF", "--reference-labels", tmp_path / "before.h5", "--json")
    loss = by_name(answer(result))["A", "WF"]["volume_loss"]["value"]
    assert loss == pytest.approx(before.sum() * (VOXEL / 1000) ** 3 - metal)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--neighbourhood", "8"), "8 is not 6 (faces), 18"),
        (("--distance", "100"), "has no unit"),
        (("--distance", "-1um"), "must be positive"),
        (("--days", "0"), "must be positive and finite"),
        (("--initial-volume", "9.6mm^3"), "both the volume and the surface"),
        (("--initial-volume", "9.6mm", "--initial-surface", "1mm^2"), "not measured in mm^3"),
        (("--mesh", "a.stl", "--reference-labels", "b.h5"), "say once what the implant was"),
        (("--format", "xls"), "'xls' is not one of text, csv"),
        (("--study", "study.xlsx"), "does not end in .csv"),
        (("--voxel-size", "5um"), "is for label files"),
        (("--reference-voxel-size", "5um"), "is for the voxels of --reference-labels"),
        (("--methods", "-", "--json"), "name a file"),
        (("--max-memory", "much"), "cannot read 'much'"),
    ],
)
def test_wrong_options(quantify, options, message):
    result = quantify("A", *options)
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_places_that_cannot_be_are_refused_before_anything_is_measured(quantify, tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder.csv").mkdir()
    for options, message in (
        (("--out", tmp_path / "a.csv", "--study", tmp_path / "a.csv"), "named for two files"),
        (("--out", tmp_path / "a_tests.csv", "--study", tmp_path / "a.csv"), "for two files"),
        (("--out", tmp_path / "folder.csv", "--overwrite"), "is a folder; name a file"),
        (("--figures", tmp_path / "file"), "is a file; name a folder"),
    ):
        result = quantify("A", *options)
        assert result.exit_code == 1, result.output
        assert message in result.stderr
        assert "measured" not in result.stderr
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_for_figures_that_cannot_be_made(quantify, tmp_path):
    (tmp_path / "file").write_text("mine")
    result = quantify("A", "--labels", "WF", "--figures", tmp_path / "file" / "figures")
    assert result.exit_code == 1
    assert "file/figures for the figures: Not a directory; name another" in result.stderr


def test_an_unknown_measure_or_class_names_what_there_is(quantify):
    unknown = quantify("A", "--measure", "BIC")
    assert unknown.exit_code == 1
    assert "no measure 'BIC'; there are: volume_bone" in unknown.stderr
    chosen = quantify("A", "--measure", "volume_*", "--measure", "pit_depth", "--json")
    rows = answer(chosen)["comparison"]["rows"]
    assert [row["measure"] for row in rows] == [
        "volume_bone", "volume_degradation_layer", "volume_residual_material", "volume_loss",
        "volume_loss_fraction", "pit_depth",
    ]  # fmt: skip
    wrong = quantify("A", "--bone", "marrow")
    assert wrong.exit_code == 1
    assert "no class 'marrow' for the role 'bone'" in wrong.stderr


def test_as_a_process(made):
    """One JSON document on stdout, all the rest on stderr."""
    done = subprocess.run(
        [sys.executable, "-c", "from srseg.cli import main; main()", "quantify", "A", "--labels",
         "WF", "-d", made / "study", "--json"],
        capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert json.loads(done.stdout)["counts"]["done"] == 1
    assert done.stderr == "" or "border of the volume" in done.stderr


def calibration(path, description):
    """Write a calibration of the BIC: a bias of 2 %, and twice spread and floor to each side."""
    one = CalibratedMeasure(relative=False, bias=2.0, floor=1.0, factor=2.0, n=9)
    facts = {"reference": "HQ", "prediction": description, "samples": {"A": "wf"}, "models": {}}
    IntervalCalibration({"bone_implant_contact": one}, 0.9, facts).save(path)
    return path


def test_predictions_get_intervals(run, tiny):
    for planes in ("3", "rc", "cp"):
        done = run("predict", tiny.model, "V", "--planes", planes, "-d", tiny.path)
        assert done.exit_code == 0, done.output
    names = Dataset(tiny.path)["V"].predictions
    single = [name for name in names if name != "srseg-wf/soft3"]
    assert len(single) == 2
    file = calibration(tiny.folder / "intervals.json", "soft3")
    command = ("quantify", "V", "--labels", "srseg-wf/soft3", "--labels", "WF", "-d", tiny.path)
    found = by_name(answer(run(*command, "--calibration", file, "--json")))
    alone = by_name(answer(run("quantify", "V", "-d", tiny.path, "--json")))
    values = [alone["V", name]["bone_implant_contact"]["value"] for name in single]
    one = found["V", "srseg-wf/soft3"]["bone_implant_contact"]
    half = 2.0 * (np.std(values, ddof=1) + 1.0)
    wanted = np.clip([one["value"] - 2.0 - half, one["value"] - 2.0 + half], 0, 100)
    assert one["interval"] == pytest.approx(wanted)
    assert found["V", "WF"]["bone_implant_contact"]["interval"] is None
    # they are of the calibration at hand
    assert alone["V", "srseg-wf/soft3"]["bone_implant_contact"]["interval"] is None
    text = run(*command, "--calibration", file).stdout
    assert f"{one['value']:.2f} [{one['interval'][0]:.2f}, {one['interval'][1]:.2f}]" in text
    assert "meant to hold the number of HQ labels in 90% of all cases" in text


def test_why_there_are_no_intervals_is_said(run, tiny):
    assert run("predict", tiny.model, "V", "--planes", "3", "-d", tiny.path).exit_code == 0
    command = ("quantify", "V", "--labels", "srseg-wf", "-d", tiny.path, "--calibration")
    for number, (description, reason) in enumerate(
        {"soft3": "no predictions of single planes", "soft9": "were calibrated for"}.items()
    ):
        result = run(*command, calibration(tiny.folder / f"{number}.json", description))
        assert result.exit_code == 0, result.output
        assert reason in result.stderr
    on_file = run("quantify", tiny.folder / "V-WF.h5", "--calibration", tiny.folder / "0.json")
    assert on_file.exit_code == 2
