"""Scans and labels brought out: valid for others, exact for us, and never half."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from srseg import DEFAULT_LABELS, Dataset, Grid, Volume
from srseg.cli import app
from srseg.dataset import export_dataset, plan_export, write_export
from srseg.errors import DatasetError, ParameterError, StorageError, UnknownNameError
from srseg.io import SAVES, Reading, open_volume, write_volume

VALIDATOR = shutil.which("bids-validator-deno")
FORMATS = ("ome-zarr", "ome-tif", "nexus", "tif")
SUFFIX = {"ome-zarr": ".ome.zarr", "ome-tif": ".ome.tif", "nexus": ".nxs", "tif": ".tif"}
SCAN = "sub-0{}/micr/sub-0{}_sample-{}_XPCT{}"
LABELS = "derivatives/labels/sub-0{}/micr/sub-0{}_sample-{}_desc-{}_dseg{}"


@pytest.fixture
def archive(tmp_path):
    """A with WF, coarse HQ, a prediction and metadata, off the origin; B with WF."""
    rng = np.random.default_rng(0)
    grid = Grid((20, 30, 26), (2.4, 2.4, 2.4), (12.0, 0.0, -7.5))
    dataset = Dataset.create(tmp_path / "archive", name="Mg <screws> & {bone}")
    for name, metadata in {
        "A": {
            "alloy": "Mg-10Gd",
            "species": "rattus norvegicus",
            "facility": "PETRA III",
            "beamline": "P05",
            "energy": "38keV",
            "extra": {"surgeon": '<µ> & "co"'},
        },
        "B": {},
    }.items():
        scan = Volume(rng.integers(0, 60000, grid.shape, dtype=np.uint16), grid)
        write_volume(tmp_path / f"{name}.nrrd", scan)
        dataset.add_sample(tmp_path / f"{name}.nrrd", name=name, metadata=metadata)
    for name, label_set, place in (
        ("A", "WF", grid), ("A", "HQ", grid.resampled(4.8)), ("B", "WF", grid),
    ):  # fmt: skip
        voxels = rng.choice(np.uint8([0, 1, 2, 3, 255]), place.shape)
        volume = Volume(voxels, place, table=DEFAULT_LABELS)
        write_volume(tmp_path / "labels.nrrd", volume, overwrite=True)
        dataset.add_labels(
            tmp_path / "labels.nrrd", sample=name, label_set=label_set, note="<by> & {hand}"
        )
    with dataset.create_prediction("A", "wf", grid, description="soft9", provenance={}) as sink:
        sink.labels[:] = rng.integers(0, 4, grid.shape, dtype=np.uint8)
    return dataset


def needs_zarr(form):
    if form == "ome-zarr":
        pytest.importorskip("zarr", reason="zarr is in the extra 'omezarr'")


def require_valid(folder):
    done = subprocess.run(
        [VALIDATOR, "--format", "json", folder], capture_output=True, text=True, timeout=120
    )
    found = json.loads(done.stdout)["issues"]["issues"]
    errors = [issue for issue in found if issue["severity"] == "error"]
    assert not errors, errors
    assert done.returncode == 0


def everything(folder):
    """Give the content of every file, by path."""
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.mark.skipif(VALIDATOR is None, reason="bids-validator-deno is not installed")
@pytest.mark.parametrize("scan", [True, False])
@pytest.mark.parametrize("form", FORMATS)
def test_the_validator_of_bids_passes(archive, tmp_path, form, scan):
    needs_zarr(form)
    out = tmp_path / "out"
    export_dataset(archive, out, format=form, labels=["WF", "HQ", "srseg-wf/soft9"], scan=scan)
    require_valid(out)
    derivatives = sorted((out / "derivatives").glob("*")) if (out / "derivatives").exists() else []
    inside = scan and form in ("ome-zarr", "nexus")
    assert [d.name for d in derivatives] == ([] if inside else ["labels", "srseg-wf"])
    for folder in derivatives:
        require_valid(folder)
        assert (folder / "dseg.tsv").read_text().splitlines()[2] == "1\tbone\tbone\t#56b4e9"


@pytest.mark.parametrize("form", FORMATS)
def test_round_trip_is_exact(archive, tmp_path, form):
    needs_zarr(form)
    out = tmp_path / "out"
    export_dataset(archive, out, format=form, labels="WF,HQ,srseg-wf")
    sample = archive["A"]
    scan = out / SCAN.format(1, 1, "A", SUFFIX[form])
    back = open_volume(scan)
    assert back.grid == sample.scan.grid
    assert back.dtype == np.uint16
    np.testing.assert_array_equal(back.read(), sample.scan.read())
    for name in ("WF", "HQ", "srseg-wf/soft9"):
        derivative, _, description = name.rpartition("/")
        path, reading = scan, None
        if form == "ome-zarr":
            reading = Reading(dataset="labels/" + name.replace("/", "_"))
        elif form == "nexus":
            signal = "labels_" + name.replace("/", "_").replace("-", "_")
            reading = Reading(dataset=f"entry/data/{signal}")
        else:
            text = LABELS.format(1, 1, "A", description, SUFFIX[form])
            path = out / text.replace("labels/sub", f"{derivative or 'labels'}/sub")
        labels = open_volume(path, reading, labels=True)
        expected = sample.labels(name)
        assert labels.table.to_dicts() == DEFAULT_LABELS.to_dicts()
        if form == "nexus" and name == "HQ":  # on the grid of the scan, and it says so
            assert labels.grid == back.grid
            with h5py.File(path) as file:
                said = json.loads(file[reading.dataset].attrs["resampled_from"])
            assert Grid.from_dict(said) == expected.grid
            continue
        assert labels.grid == expected.grid
        np.testing.assert_array_equal(labels.read(), expected.read())


@pytest.mark.parametrize("form", FORMATS)
def test_sidecars_and_tables(archive, tmp_path, form):
    needs_zarr(form)
    out = tmp_path / "out"
    export_dataset(archive, out, format=form)
    said = json.loads((out / SCAN.format(1, 1, "A", ".json")).read_text())
    assert said["PixelSize"] == [2.4, 2.4, 2.4]
    assert said["PixelSizeUnits"] == "um"
    assert (said["InstitutionName"], said["StationName"]) == ("PETRA III", "P05")
    assert said["Specimen"]["alloy"] == "Mg-10Gd"
    assert said["AcquisitionParameters"]["energy_kev"] == 38.0
    assert Grid.from_dict(said["Grid"]) == archive["A"].scan.grid
    assert ("GridNote" in said) == (form in ("ome-tif", "tif"))
    lines = [line.split("\t") for line in (out / "samples.tsv").read_text().splitlines()]
    assert lines[0][:3] == ["sample_id", "participant_id", "sample_type"]
    assert [line[0] for line in lines[1:]] == ["sample-A", "sample-B"]
    people = (out / "participants.tsv").read_text().splitlines()
    assert people[1] == "sub-01\trattus norvegicus"
    description = json.loads((out / "dataset_description.json").read_text())
    assert description["Name"] == "Mg <screws> & {bone}"
    assert description["DatasetType"] == "raw"
    if form in ("ome-tif", "tif"):
        label = json.loads((out / LABELS.format(1, 1, "A", "HQ", ".json")).read_text())
        assert label["Sources"] == [f"bids:raw:{SCAN.format(1, 1, 'A', SUFFIX[form])}"]
        assert (label["Revision"], label["Description"]) == (1, "<by> & {hand}")
    else:
        assert set(said["LabelSets"]) == {"WF", "HQ"}  # predictions are named
    private = str(tmp_path).encode()
    assert not [path for path, text in everything(out).items() if private in text]


def test_what_people_wrote_of_the_study_is_kept(archive, tmp_path):
    path = archive.path / "dataset_description.json"
    said = json.loads(path.read_text())
    path.write_text(json.dumps({**said, "Authors": ["A. B.", "C. D."], "License": "CC0"}))
    export_dataset(archive, tmp_path / "out", format="tif", labels="none")
    kept = json.loads((tmp_path / "out" / "dataset_description.json").read_text())
    assert (kept["Authors"], kept["License"]) == (["A. B.", "C. D."], "CC0")
    assert not (tmp_path / "out" / "derivatives").exists()


def test_a_plan_writes_nothing_and_says_it_all(archive, tmp_path):
    plan = plan_export(archive, tmp_path / "out", format="ome-tif")
    assert not (tmp_path / "out").exists()
    assert [file.path.name for file in plan.files] == [
        "sub-01_sample-A_XPCT.ome.tif",
        "sub-01_sample-A_desc-HQ_dseg.ome.tif",
        "sub-01_sample-A_desc-WF_dseg.ome.tif",
        "sub-02_sample-B_XPCT.ome.tif",
        "sub-02_sample-B_desc-WF_dseg.ome.tif",
    ]
    assert plan.n_bytes >= 2 * archive["A"].scan.nbytes
    write_export(plan)
    for file in plan.files:
        assert (tmp_path / "out" / file.path).is_file()


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_there_is_left_alone(archive, tmp_path, form):
    needs_zarr(form)
    out = tmp_path / "out"
    export_dataset(archive.select(name="A"), out, format=form)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.*") if path.is_file()}
    missing = out / SCAN.format(1, 1, "A", ".json")
    missing.unlink()  # killed between the voxels and their sidecar
    plan = export_dataset(archive, out, format=form)
    assert [file.state for file in plan.files if file.sample == "A"] == ["there"] * (
        1 if form in ("ome-zarr", "nexus") else 3
    )
    assert {file.state for file in plan.files if file.sample == "B"} == {"new"}
    assert missing.is_file()
    for path, time_ns in before.items():
        if path.suffix not in (".json", ".tsv", ".lock"):
            assert path.stat().st_mtime_ns == time_ns, path
    assert "sample-B" in (out / "samples.tsv").read_text()
    again = export_dataset(archive, out, format=form)
    assert {file.state for file in again.files} == {"there"}


@pytest.mark.parametrize("form", FORMATS)
def test_what_has_changed_is_replaced_when_it_is_said(archive, tmp_path, form):
    needs_zarr(form)
    out = tmp_path / "out"
    export_dataset(archive, out, format=form)
    new = Volume(np.ones((20, 30, 26), np.uint8), archive["B"].scan.grid, table=DEFAULT_LABELS)
    write_volume(tmp_path / "new.nrrd", new)
    archive.add_labels(tmp_path / "new.nrrd", sample="B", label_set="WF")
    before = everything(out)
    with pytest.raises(DatasetError, match=r"another state of sample B.*--overwrite"):
        export_dataset(archive, out, format=form)
    assert everything(out) == before
    plan = export_dataset(archive, out, format=form, overwrite=True)
    assert [file.sample for file in plan.pending] == ["B"]
    if form == "tif":
        path = out / LABELS.format(2, 2, "B", "WF", ".tif")
        assert (tifffile.imread(path) == 1).all()
        assert json.loads(path.with_suffix(".json").read_text())["Revision"] == 2


def test_a_damaged_file_is_not_taken_for_whole(archive, tmp_path):
    out = tmp_path / "out"
    export_dataset(archive, out, format="tif", labels="none")
    path = out / SCAN.format(2, 2, "B", ".tif")
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(DatasetError, match="sample B"):
        export_dataset(archive, out, format="tif", labels="none")
    export_dataset(archive, out, format="tif", labels="none", overwrite=True)
    np.testing.assert_array_equal(open_volume(path).read(), archive["B"].scan.read())


def test_labels_that_some_lack_are_told_of(archive, tmp_path):
    plan = plan_export(archive, tmp_path / "out", format="tif", labels="HQ", scan=False)
    assert [file.sample for file in plan.files] == ["A"]
    assert plan.left_out == ("sample B has no label set 'HQ'; it has: WF",)
    with pytest.raises(UnknownNameError, match="no sample has a label set 'ZZ'"):
        plan_export(archive, tmp_path / "out", format="tif", labels=["WF", "ZZ"])
    for wrong in ("", "WF,,HQ", "WF,WF", ["all", "WF"], "none,WF"):
        with pytest.raises(ParameterError, match="labels must be"):
            plan_export(archive, tmp_path / "out", format="tif", labels=wrong)
    with pytest.raises(ParameterError, match="nothing would be exported"):
        plan_export(archive, tmp_path / "out", format="tif", labels="none", scan=False)
    with pytest.raises(ParameterError, match="ome-zarr, ome-tif, nexus, tif, found 'png'"):
        plan_export(archive, tmp_path / "out", format="png")


def test_folders_that_are_refused(archive, tmp_path):
    for place in (archive.path, archive.path / "sub-01" / "out", tmp_path):
        with pytest.raises(DatasetError, match="lies inside it or around it"):
            plan_export(archive, place, format="tif")
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="is a file"):
        plan_export(archive, tmp_path / "file", format="tif")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.docx").write_text("")
    with pytest.raises(DatasetError, match="not empty and not an export"):
        plan_export(archive, tmp_path / "full", format="tif")
    export_dataset(archive, tmp_path / "out", format="tif", labels="none")
    with pytest.raises(DatasetError, match=r"as tif, not of .* as ome-tif"):
        plan_export(archive, tmp_path / "out", format="ome-tif")
    (tmp_path / "link").symlink_to(archive.path)
    with pytest.raises(DatasetError, match="lies inside it or around it"):
        plan_export(archive, tmp_path / "link", format="tif")


def test_an_export_that_was_killed_at_its_beginning_goes_on(archive, tmp_path):
    (tmp_path / "out" / ".srseg").mkdir(parents=True)
    plan = export_dataset(archive, tmp_path / "out", format="tif", labels="none")
    assert all((tmp_path / "out" / file.path).is_file() for file in plan.files)


def test_a_full_disk_is_seen_before_anything_is_written(archive, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=10_000)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(StorageError, match="only 10 kB are free"):
        export_dataset(archive, tmp_path / "out", format="tif")
    assert not (tmp_path / "out").exists()


def test_a_scan_that_changed_is_not_exported(archive, tmp_path):
    path = archive["B"].scan_file.path
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(DatasetError, match="is not what was registered"):
        export_dataset(archive, tmp_path / "out", format="tif")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("form", ["ome-zarr", "ome-tif", "nexus"])
def test_a_killed_export_leaves_nothing_half(tmp_path, form):
    """Killed while it writes, again and again; then it goes on, and all is whole."""
    needs_zarr(form)
    rng = np.random.default_rng(0)
    archive = Dataset.create(tmp_path / "archive")
    for name in "ABC":
        scan = Volume.from_array(rng.integers(0, 60000, (128, 160, 160), dtype=np.uint16), 2.4)
        write_volume(tmp_path / f"{name}.h5", scan)
        archive.add_sample(tmp_path / f"{name}.h5", name=name, copy=False)
    out = tmp_path / "out"
    code = (
        "import sys; from srseg import Dataset; from srseg.dataset import export_dataset\n"
        "import srseg.io; print('ready', flush=True)\n"
        "export_dataset(Dataset(sys.argv[1]), sys.argv[2], format=sys.argv[3])"
    )
    for seconds in (0.02, 0.1, 0.3):
        with subprocess.Popen(
            [sys.executable, "-c", code, archive.path, out, form], stdout=subprocess.PIPE
        ) as process:
            process.stdout.readline()
            time.sleep(seconds)
            os.kill(process.pid, signal.SIGKILL)
        for name in "ABC":
            number = "ABC".index(name) + 1
            path = out / SCAN.format(number, number, name, SUFFIX[form])
            if path.exists():
                np.testing.assert_array_equal(open_volume(path).read(), archive[name].scan.read())
    export_dataset(archive, out, format=form)
    for number, name in enumerate("ABC", 1):
        path = out / SCAN.format(number, number, name, SUFFIX[form])
        np.testing.assert_array_equal(open_volume(path).read(), archive[name].scan.read())
    assert not list(out.rglob("*.part*"))  # what the killed ones left is gone
    assert len((out / "samples.tsv").read_text().splitlines()) == 4


def test_two_processes_export_into_one_folder(archive, tmp_path):
    code = (
        "import sys; from srseg import Dataset; from srseg.dataset import export_dataset\n"
        "chosen = Dataset(sys.argv[1]).select(name=sys.argv[3])\n"
        "export_dataset(chosen, sys.argv[2], format='tif')"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, archive.path, tmp_path / "out", name])
        for name in "AB"
    ]
    assert [process.wait(60) for process in running] == [0, 0]
    assert len((tmp_path / "out" / "samples.tsv").read_text().splitlines()) == 3
    plan = plan_export(archive, tmp_path / "out", format="tif")
    assert {file.state for file in plan.files} == {"there"}


def test_command(archive, tmp_path):
    def run(*words):
        return CliRunner().invoke(app, ["dataset", "export", *map(str, words)])

    out, place = tmp_path / "out", ("-d", archive.path)
    told = run(out, "A", "--format", "tif", "--labels", "WF", "--dry-run", *place)
    assert told.exit_code == 0, told.output
    assert "would write 2 files" in told.output
    assert not out.exists()
    done = run(out, "--format", "tif", "--select", "has=HQ", "--json", *place)
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert {file["sample"] for file in answer["files"]} == {"A"}
    assert {file["state"] for file in answer["files"]} == {"new"}
    assert answer["bytes"] > 0
    assert run(out, "--format", "png", *place).exit_code == 2
    assert run(out, "--format", "ome-tif", *place).exit_code == 1
    assert run(out, *place).exit_code == 2


@pytest.mark.parametrize("form", FORMATS)
def test_what_was_saved_with_a_prediction_goes_with_it(archive, tmp_path, form):
    needs_zarr(form)
    grid = archive["A"].scan.grid
    rng = np.random.default_rng(3)
    kept = {
        name: rng.integers(0, 256, grid.shape, dtype=np.uint8) for name in ("entropy", "margin")
    }
    classes = rng.integers(0, 256, (4, *grid.shape), dtype=np.uint8)
    with archive.create_prediction(
        "A", "wf", grid, description="all", provenance={}, saves=SAVES
    ) as sink:
        sink.labels[:] = rng.integers(0, 4, grid.shape, dtype=np.uint8)
        sink.probabilities[:] = classes
        for name, values in kept.items():
            getattr(sink, name)[:] = values
    short = [one.abbreviation for one in archive.table]
    kept |= {f"label-{c}_probseg": v for c, v in zip(short, classes, strict=True)}
    out = tmp_path / "out"
    more = {"format": form, "labels": "srseg-wf/all"}
    plan = export_dataset(archive.select(name="A"), out, **more)
    folder = out / "derivatives/srseg-wf/sub-01/micr"
    for name, values in kept.items():
        label, _, end = name.rpartition("_")
        stem = "_".join(part for part in ("sub-01_sample-A", label, "desc-all", end) if part)
        back = open_volume(folder / f"{stem}{SUFFIX[form]}")
        np.testing.assert_array_equal(back.read(), values)
        said = json.loads((folder / f"{stem}.json").read_text())
        assert said["Scaling"] == {"Factor": 1 / 255, "Offset": 0.0}
        assert Grid.from_dict(said["Grid"]) == grid
        if label:
            assert said["Label"] in archive.table.names
    assert sum(bool(file.saved) for file in plan.files) == len(kept) == 6
    again = export_dataset(archive.select(name="A"), out, **more)
    assert {file.state for file in again.files} == {"there"}
    if VALIDATOR is not None:
        require_valid(out / "derivatives/srseg-wf")
