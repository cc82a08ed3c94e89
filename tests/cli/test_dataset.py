"""``srseg dataset`` and ``srseg preprocess`` on real files."""

import json

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from srseg import Dataset
from srseg.cli import app
from srseg.io import open_volume


@pytest.fixture
def run():
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, [str(a) for a in arguments])


def answer(result):
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_from_scan_to_working_copy(run, tmp_path, scan_file, label_file, monkeypatch):
    root = tmp_path / "mgbone"
    assert "degradation layer" in run("dataset", "init", root, "--name", "Mg in bone").stdout
    (root / "notes").mkdir()
    monkeypatch.chdir(root / "notes")  # the dataset is found above
    scan = scan_file("scan.tif")
    result = run(
        "dataset", "add", scan, "--sample", "A", "--subject", "7", "--voxel-size", "2.5 µm",
        "--energy", "38keV", "--alloy", "Mg-5Gd", "--beamline", "P05",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert "added sample A (subject 7): 8 x 10 x 12 uint16, voxel 2.5 µm, copied" in result.stdout
    result = run("dataset", "label", label_file(), "--sample", "A", "--set", "WF", "--manual")
    assert "added label set WF to sample A (revision 1)" in result.stdout
    table = run("dataset", "list").stdout
    assert table.splitlines()[1].split() == [
        "A", "7", "8", "x", "10", "x", "12", "2.5", "µm", "WF", "Mg-5Gd", "P05", "copied",
    ]  # fmt: skip
    shown = answer(run("dataset", "show", "A", "--json"))
    assert shown["metadata"] == {"alloy": "Mg-5Gd", "beamline": "P05", "energy_kev": 38.0}
    assert shown["labels"]["WF"]["Manual"] is True
    assert "labels WF" in run("dataset", "show", "A").stdout
    assert "Mg in bone" in run("dataset", "show").stdout
    assert answer(run("dataset", "show", "--json"))["label_sets"] == {"WF": 1}
    made = answer(run("preprocess", "A", "--voxel-size", "5um", "--clip", 1, 99, "--json"))
    assert made["prepared"][0]["shape"] == [4, 5, 6]
    assert "was there" in run("preprocess", "--voxel-size", "5um", "--clip", 1, 99).stdout
    assert "voxels of 2.5 µm" in run("preprocess", "--voxel-size", "scan").stdout
    result = run("dataset", "check", "--deep")
    assert (result.exit_code, result.stdout) == (0, f"{root}: 1 sample, no problems\n")
    assert answer(run("dataset", "check", "--json")) == {"dataset": str(root), "problems": []}


def test_metadata_file_and_options_above_it(run, study, scan_file, tmp_path):
    path = tmp_path / "scan.toml"
    path.write_text(
        'sample = "T"\nsubject = "9"\nvoxel_size = "0.0025 mm"\nalloy = "Mg-5Gd"\n'
        'energy = "25 keV"\n[extra]\noperator = "me"\n'
    )
    array = np.random.default_rng(0).integers(0, 9, (4, 5, 6), dtype=np.uint16)
    scan = tmp_path / "plain.tif"
    tifffile.imwrite(scan, array, photometric="minisblack")
    result = run(
        "dataset", "add", scan, "--metadata", path, "--energy", "30keV", "-d", study.path, "--json"
    )
    assert answer(result)["metadata"] == {
        "alloy": "Mg-5Gd", "energy_kev": 30.0, "operator": "me",
    }  # fmt: skip
    sample = Dataset(study.path)["T"]
    assert sample.subject == "9"
    assert sample.scan.grid.voxel_size == (2.5, 2.5, 2.5)
    assert Dataset(study.path).select(operator="me").names == ["T"]


@pytest.mark.parametrize(
    ("option", "value", "shown"),
    [
        ("--voxel-size", "2.4mm", "2400 µm is unusual"),
        ("--voxel-size", "2.4m", "2.4e+06 µm is unusual"),
        ("--voxel-size", "2.4nm", "0.0024 µm is unusual"),
        ("--voxel-size", "500um", None),
        ("--energy", "38MeV", "38000 keV is unusual"),
        ("--energy", "38eV", "0.038 keV is unusual"),
        ("--energy", "38keV", None),
    ],
)
@pytest.mark.parametrize("from_file", [False, True])
def test_a_slip_in_the_prefix_of_a_unit(run, study, tmp_path, option, value, shown, from_file):
    nines = np.full((8, 10, 12), 9, np.uint8)
    tifffile.imwrite(tmp_path / "plain.tif", nines, photometric="minisblack")
    said = {"--voxel-size": "2.4um"} | {option: value}
    (tmp_path / "s.toml").write_text(
        "".join(f"{k[2:].replace('-', '_')} = '{v}'\n" for k, v in said.items())
    )
    options = [text for pair in said.items() for text in pair]
    given = ["--metadata", tmp_path / "s.toml"] if from_file else options
    result = run("dataset", "add", tmp_path / "plain.tif", *given, "-d", study.path, "--dry-run")
    assert result.exit_code == 0, result.stderr
    if shown is None:
        assert result.stderr == ""
    else:
        assert f"{shown}, scans have" in result.stderr


def test_dry_runs_write_nothing(run, study, scan_file, label_file):
    before = {p: p.stat().st_mtime_ns for p in study.path.rglob("*")}
    result = run("dataset", "add", scan_file(), "--sample", "X", "-d", study.path, "--dry-run")
    assert result.stdout.startswith("would add sample X (a new subject)")
    result = run(
        "dataset", "label", label_file(), "--sample", "A", "--set", "WF", "-d", study.path,
        "--dry-run", "--json",
    )  # fmt: skip
    assert answer(result)["revision"] == 2
    assert {p: p.stat().st_mtime_ns for p in study.path.rglob("*")} == before


def test_by_reference(run, study, scan_file):
    file = scan_file()
    run("dataset", "add", file, "--sample", "R", "--by-reference", "-d", study.path)
    assert answer(run("dataset", "show", "R", "-d", study.path, "--json"))["scan"] == str(file)
    file.unlink()
    result = run("dataset", "check", "-d", study.path)
    assert result.exit_code == 3
    assert str(file) in result.stdout
    problems = json.loads(run("dataset", "check", "-d", study.path, "--json").stdout)["problems"]
    assert [p["kind"] for p in problems] == ["missing"]


def test_select(run, study):
    def names(*conditions):
        options = [text for c in conditions for text in ("--select", c)]
        rows = answer(run("dataset", "list", "-d", study.path, "--json", *options))["samples"]
        return [row["sample"] for row in rows]

    assert names() == list("ABCDEF")
    assert names("has=HQ", "alloy=Mg-5Gd") == ["F"]
    assert names("has=HQ", "has=WF") == ["E", "F"]
    assert names("alloy=Mg-5Gd", "alloy=Mg-10Gd") == list("ABCDEF")
    assert names("energy=30keV") == names("energy_kev=30") == ["A"]


def test_one_broken_sidecar_does_not_hide_the_others(run, study):
    (study.path / "sub-01" / "micr" / "sub-01_sample-A_XPCT.json").write_text("{")
    result = run("dataset", "list", "-d", study.path, "--json")
    assert [row["sample"] for row in answer(result)["samples"]] == list("BCDEF")
    assert "sample A is not listed" in result.stderr
    assert "sub-01_sample-A_XPCT.json" in result.stderr


def test_an_empty_dataset(run, tmp_path):
    run("dataset", "init", tmp_path / "d")
    result = run("dataset", "list", "-d", tmp_path / "d")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no samples yet" in result.stderr
    assert answer(run("dataset", "list", "-d", tmp_path / "d", "--json"))["samples"] == []
    result = run("preprocess", "-d", tmp_path / "d")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "srseg dataset add" in result.stderr


def test_classes_from_a_table(run, tmp_path):
    table = tmp_path / "classes.tsv"
    table.write_text("index\tname\n0\tvoid\n5\twood\n")
    made = answer(run("dataset", "init", tmp_path / "d", "--labels", table, "--json"))
    assert [c["name"] for c in made["labels"]] == ["void", "wood"]
    table.write_text("number\tname\n0\tvoid\n")
    result = run("dataset", "init", tmp_path / "e", "--labels", table)
    assert result.exit_code == 1
    assert "classes.tsv" in result.stderr
    assert not (tmp_path / "e").exists()


BAD = {
    "no such scan": (1, "none.h5", ["dataset", "add", "none.h5"]),
    "no such metadata": (1, "none.toml", ["dataset", "add", "scan.mha", "--metadata", "none.toml"]),
    "bad metadata": (1, "bad.toml", ["dataset", "add", "scan.mha", "--metadata", "bad.toml"]),
    "unknown key": (1, "key.toml: unknown key 'aloy'; did you mean 'alloy'", [
        "dataset", "add", "scan.mha", "--metadata", "key.toml"]),
    "no voxel size": (1, "plain.tif", ["dataset", "add", "plain.tif"]),
    "voxel size without a unit": (2, "has no unit", [
        "dataset", "add", "plain.tif", "--voxel-size", "2.4"]),
    "energy in mm": (2, "not measured in keV", ["dataset", "add", "scan.mha", "--energy", "3mm"]),
    "no HDF5": (1, "text.h5", ["dataset", "add", "text.h5"]),
    "no such path": (1, "/nothing", ["dataset", "add", "scan.h5", "--dataset-path", "/nothing"]),
    "unknown format": (1, "text.xyz", ["dataset", "add", "text.xyz"]),
    "taken": (1, "already has a sample 'A'", ["dataset", "add", "scan.mha", "--sample", "A"]),
    "bad name": (1, "for example 'A1'", ["dataset", "add", "scan.mha", "--sample", "A_1"]),
    "no file": (2, "FILE", ["dataset", "add"]),
    "one name, two files": (2, "one name for 2 files", [
        "dataset", "add", "scan.mha", "plain.tif", "--sample", "A"]),
    "a box": (2, "z0:z1,y0:y1,x0:x1", ["dataset", "add", "scan.mha", "--roi", "1:2,3:4"]),
    "a box outside": (1, "does not lie in a volume of 8 x 10 x 12", [
        "dataset", "add", "scan.mha", "--sample", "Q", "--roi", "0:9,0:4,0:4"]),
    "axes": (2, "axes must name z, y and x", ["dataset", "add", "scan.mha", "--axes", "xy"]),
    "shape": (2, "three numbers", ["dataset", "add", "scan.mha", "--shape", "10"]),
    "label: no sample": (1, "no sample 'Z'", [
        "dataset", "label", "labels.mha", "--sample", "Z", "--set", "WF"]),
    "label: values": (1, "plain.tif", [
        "dataset", "label", "plain.tif", "--sample", "A", "--set", "WF"]),
    "label: dry run, values": (1, "plain.tif: value 9", [
        "dataset", "label", "plain.tif", "--sample", "A", "--set", "WF", "--dry-run"]),
    "label: no set": (2, "--set", ["dataset", "label", "labels.mha", "--sample", "A"]),
    "show: no sample": (1, "no sample 'Z'", ["dataset", "show", "Z"]),
    "list: no condition": (2, "KEY=VALUE", ["dataset", "list", "--select", "alloy"]),
    "list: unknown key": (1, "did you mean 'alloy'", ["dataset", "list", "--select", "aloy=1"]),
    "list: nothing fits": (1, "fits alloy=Fe", ["dataset", "list", "--select", "alloy=Fe"]),
    "preprocess: no sample": (1, "no sample 'Z'", ["preprocess", "Z"]),
    "preprocess: clip": (1, "percentiles", ["preprocess", "--clip", "99", "1"]),
    "preprocess: voxel size": (2, "has no unit", ["preprocess", "--voxel-size", "5"]),
    "init: there already": (1, "already a dataset", ["dataset", "init", "study"]),
    "init: inside": (1, "study, and datasets do not nest", ["dataset", "init", "study/more"]),
    "init: below derivatives": (1, "study, and datasets do not nest", [
        "dataset", "init", "study/derivatives/x"]),
    "empty sample": (2, "the text is empty", ["dataset", "add", "scan.mha", "--sample", ""]),
    "empty subject": (2, "the text is empty", [
        "dataset", "add", "scan.mha", "--sample", "S", "--subject", " "]),
    "empty subject in a file": (1, "empty.toml: subject is empty", [
        "dataset", "add", "scan.mha", "--metadata", "empty.toml"]),
    "name too long": (1, "at most 64", ["dataset", "add", "scan.mha", "--sample", "A" * 65]),
    "set too long": (1, "at most 64", [
        "dataset", "label", "labels.mha", "--sample", "A", "--set", "W" * 65]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input(run, study, scan_file, label_file, tmp_path, monkeypatch, case):
    scan_file()
    scan_file("scan.h5")
    label_file()
    nines = np.full((8, 10, 12), 9, np.uint8)
    tifffile.imwrite(tmp_path / "plain.tif", nines, photometric="minisblack")
    (tmp_path / "text.h5").write_text("no HDF5")
    (tmp_path / "text.xyz").write_text("?")
    (tmp_path / "bad.toml").write_text("energy: 3")
    (tmp_path / "empty.toml").write_text('subject = ""')
    (tmp_path / "key.toml").write_text('aloy = "Mg"')
    monkeypatch.chdir(tmp_path)
    code, says, arguments = BAD[case]
    target = [] if "init" in arguments else ["-d", "study"]
    result = run(*arguments, *target)
    assert result.exit_code == code, result.stderr
    assert result.stdout == ""
    assert says in " ".join(result.stderr.replace("│", " ").split())
    assert Dataset(study.path).names == list("ABCDEF")
    assert Dataset(study.path).check() == []


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("k11-18014.nxs", "must be reconstructed first"),
        ("savu_24888.nxs", "must be reconstructed first"),
        ("dataexchange_tooth.h5", "must be reconstructed first"),
        ("k11-18014/k11-18014-imaging.h5", "must be reconstructed first"),
        ("k11-18014/k11-18014-pcompPanda.h5", "no 3D dataset"),
        ("k11-18014", "holds no TIFF slices"),
    ],
)
def test_real_beamline_files_get_a_clear_answer(run, tmp_path, shared_file, name, says):
    file = shared_file(f"nexus/{name}")
    run("dataset", "init", tmp_path / "d")
    result = run("dataset", "add", file, "--voxel-size", "5um", "-d", tmp_path / "d")
    assert result.exit_code == 1
    assert says in result.stderr
    assert file.name in result.stderr
    assert result.stderr.count("\n") == 1
    assert Dataset(tmp_path / "d").check() == []


def test_every_real_beamline_file_is_among_them(shared_file):
    folder = shared_file("nexus")
    files = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    tried = test_real_beamline_files_get_a_clear_answer.pytestmark[0].args[1]
    assert files <= {name for name, _ in tried}


def test_real_bone(run, tmp_path, shared_file):
    scan = shared_file("bone_uct/lhdl_trabecular_200.tif")
    root = tmp_path / "d"
    run("dataset", "init", root)
    result = run("dataset", "add", scan, "--voxel-size", "19.5um", "-d", root)
    assert "sample lhdltrabecular200" in result.stdout
    np.testing.assert_array_equal(Dataset(root)[0].scan.read(), tifffile.imread(scan))


def test_several_scans_at_once(run, study, scan_file, tmp_path):
    """One that fails does not keep the others waiting, and is told of at the end."""
    first, second = scan_file("n1.mha"), scan_file("n2.mha")
    (tmp_path / "broken.mha").write_bytes(b"nothing")
    result = run("dataset", "add", first, tmp_path / "broken.mha", second, "-d", study.path)
    assert result.exit_code == 1
    assert "added 2 of 3 scans, 1 failed" in result.stdout
    assert "broken.mha" in result.stderr
    assert {"n1", "n2"} <= set(Dataset(study.path).names)
    again = run("dataset", "add", first, second, "-d", study.path, "--json")
    assert again.exit_code == 1
    answer = json.loads(again.stdout)
    assert answer["samples"] == []
    assert ["already has a sample" in f["error"] for f in answer["failed"]] == [True, True]


def test_a_region_of_a_scan_is_a_sample(run, study, scan_file):
    file = scan_file("pair.mha")
    for name, box in {"L": "0:8,0:10,0:6", "R": "0:8,0:10,6:12"}.items():
        result = run("dataset", "add", file, "--sample", name, "--roi", box, "-d", study.path)
        assert result.exit_code == 0, result.stderr
        assert result.stderr == ""  # another part is another sample
        assert "region: voxels 0 to 8, 0 to 10" in result.stdout
    whole = open_volume(file).read()
    dataset = Dataset(study.path)
    np.testing.assert_array_equal(dataset["L"].scan.read(), whole[:, :, :6])
    np.testing.assert_array_equal(dataset["R"].scan.read(), whole[:, :, 6:])
    assert dataset["R"].scan_grid.origin[2] == pytest.approx(
        6 * dataset["R"].scan_grid.voxel_size[2]
    )


def test_a_scan_that_is_there_already(run, study, scan_file):
    file = scan_file("twice.mha")
    assert run("dataset", "add", file, "-d", study.path).stderr == ""
    second = run("dataset", "add", file, "--sample", "other", "-d", study.path)
    assert second.exit_code == 0
    assert "is registered already, as sample twice" in second.stderr


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (None, "0:4,0:10,0:12", True),
        ("0:5,0:10,0:12", None, True),
        ("0:5,0:10,0:12", "4:8,0:10,0:12", True),
        ("0:5,0:10,0:12", "5:8,0:10,0:12", False),
    ],
)
def test_parts_of_a_file_that_share_voxels_are_told_of(run, study, scan_file, first, second, told):
    file = scan_file("twice.mha")
    for name, box in (("one", first), ("two", second)):
        options = () if box is None else ("--roi", box)
        result = run("dataset", "add", file, "--sample", name, *options, "-d", study.path)
        assert result.exit_code == 0
    assert ("as sample one, and the two share voxels" in result.stderr) is told


def test_axes_and_a_wrong_voxel_size(run, study, scan_file):
    file = scan_file("odd.mha")
    result = run(
        "dataset", "add", file, "--axes", "x-yz", "--override-voxel-size", "4um", "-d", study.path,
        "--by-reference", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["shape"] == [12, 10, 8]
    sample = Dataset(study.path)["odd"]
    assert sample.scan.grid.voxel_size == sample.scan_grid.voxel_size == (4.0, 4.0, 4.0)
    np.testing.assert_array_equal(sample.scan.read(), open_volume(file).read().T[:, ::-1])


def test_two_files_of_one_name_would_fail(run, study, scan_file):
    files = [scan_file(f"{folder}/same.mha", seed=i) for i, folder in enumerate(("one", "two"))]
    result = run("dataset", "add", *files, "--dry-run", "-d", study.path)
    assert result.exit_code == 1
    assert "would add 1 of 2 scans, 1 failed" in result.stdout
    assert "would get the name same, and so would" in result.stderr


def test_a_part_is_shown_by_its_own_size(run, study, scan_file):
    file = scan_file("part.mha")
    box = ("--roi", "2:5,0:10,0:12")
    added = run("dataset", "add", file, *box, "-d", study.path).stdout
    assert "3 x 10 x 12 uint16" in added
    assert "(z, y, x) of 8 x 10 x 12" in added
    listed = json.loads(run("dataset", "list", "--json", "-d", study.path).stdout)["samples"]
    assert {row["sample"]: row["shape"] for row in listed}["part"] == [3, 10, 12]
