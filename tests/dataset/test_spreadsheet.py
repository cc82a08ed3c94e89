"""Metadata out into a spreadsheet and back, in all that people and programs make of one."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from srseg.dataset import (
    METADATA_KEYS,
    Dataset,
    apply_metadata,
    export_metadata,
    parse_metadata,
    plan_metadata,
    plan_metadata_import,
    set_metadata,
)
from srseg.dataset._layout import Layout
from srseg.dataset._metadata.parse import to_sections
from srseg.dataset._metadata.write import HISTORY
from srseg.errors import (
    DatasetError,
    FileFormatError,
    MissingFileError,
    ParameterError,
    StorageError,
    UnknownNameError,
)
from srseg.storage import write_json

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t"}


def sidecar_of(dataset, name):
    (path,) = Path(dataset.path).glob(f"sub-*/micr/*sample-{name}_XPCT.json")
    return path


def read(path, separator=","):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=separator))


def table(tmp_path, text, *, encoding="utf-8"):
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode(encoding))
    return path


def changes(dataset, path):
    plan = plan_metadata_import(dataset, path)
    return {(c.sample, c.key): (c.old, c.new) for c in plan.changes}


# ---------------------------------------------------------------------------------- round trip


def texts():
    start = st.sampled_from(["", "=", "+", "-", "@", "'", "'=", "＝", '"', ";", "0", "1.10"])
    rest = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=12)
    joined = st.builds(str.__add__, start, rest).map(str.strip)
    return joined.filter(lambda t: t and t.isprintable() and t.casefold() != "n/a")


def values(key):
    if key.choices:
        return st.sampled_from(key.choices)
    if key.kind == "text":
        return texts()
    return st.integers(1, 64) if key.kind == "count" else st.floats(1e-6, 1e4)


METADATA = st.fixed_dictionaries(
    {
        "extra": st.dictionaries(
            st.sampled_from(["operator", "Batch", "x1"]),
            texts() | st.booleans() | st.integers() | st.floats(-1e300, 1e300),
        )
    },
    optional={name: values(key) for name, key in METADATA_KEYS.items()},
)


def put(dataset, name, metadata):
    """Write metadata into a sidecar, whatever they are."""
    path = sidecar_of(dataset, name)
    sidecar = json.loads(path.read_text("utf-8"))
    for part in ("Specimen", "AcquisitionParameters", "ProcessingParameters", "Extra"):
        sidecar.pop(part, None)
    path.write_text(json.dumps({**sidecar, **to_sections(metadata)}), "utf-8")


@given(metadata=METADATA, separator=st.sampled_from(list(SEPARATORS)))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_out_and_back_changes_nothing(study, tmp_path, metadata, separator):
    known = parse_metadata(metadata)
    put(study, "A", known)
    path = export_metadata(study, tmp_path / "t.csv", separator=separator, overwrite=True)
    plan = plan_metadata_import(study, path)
    assert plan.changes == ()
    # no cell is one that a spreadsheet would run
    for row in read(path, SEPARATORS[separator]):
        for column, cell in row.items():
            number = column.startswith("extra.") and re.fullmatch(r"-[0-9.,e+-]+", cell)
            assert number or not re.match(r"[=+\-@＝＋－＠\t\r]", cell), (column, cell)
    # where nothing was known, all of it comes
    put(study, "A", {})
    plan = plan_metadata_import(study, path)
    came = {c.key: c.new for c in plan.changes if c.key in METADATA_KEYS}
    assert came == {k: v for k, v in known.items() if k in METADATA_KEYS}
    apply_metadata(study, plan)
    assert plan_metadata_import(study, path).changes == ()


def test_the_table_has_every_key_and_a_row_for_each_sample(study, tmp_path):
    set_metadata(study, "B", {"extra": {"operator": "B. Z.", "run": 4}})
    path = export_metadata(study, tmp_path / "t.csv")
    rows = read(path)
    assert list(rows[0]) == [
        "sample", "subject", "voxel_size_um", *METADATA_KEYS, "extra.operator", "extra.run",
    ]  # fmt: skip
    assert [row["sample"] for row in rows] == list("ABCDEF")
    assert (rows[1]["subject"], rows[1]["voxel_size_um"]) == ("02", "2.5")
    assert (rows[1]["energy_kev"], rows[1]["extra.operator"]) == ("31", "B. Z.")
    assert rows[0]["extra.operator"] == ""
    assert path.read_bytes().startswith("\ufeff".encode())
    with pytest.raises(StorageError, match="exists already"):
        export_metadata(study, path)
    export_metadata(study.select(alloy="Mg-5Gd"), path, separator="semicolon", overwrite=True)
    assert [row["voxel_size_um"] for row in read(path, ";")] == ["2,5"] * 3
    with pytest.raises(ParameterError, match="comma, semicolon, tab"):
        export_metadata(study, path, separator=";", overwrite=True)
    with pytest.raises(DatasetError, match="no sample"):
        export_metadata(Dataset.create(tmp_path / "empty"), tmp_path / "e.csv")


def test_a_broken_sidecar_hides_no_other_sample(study, tmp_path):
    sidecar_of(study, "C").write_text("{")
    with pytest.warns(UserWarning, match="sample C is left out"):
        path = export_metadata(study, tmp_path / "t.csv")
    assert [row["sample"] for row in read(path)] == list("ABDEF")
    path = table(tmp_path, "sample,alloy\nA,Mg\nC,Mg\n")
    with pytest.raises(ParameterError, match=r"row 3, sample C: .*not JSON"):
        plan_metadata_import(study, path)


# ------------------------------------------------------------------------ as programs write it


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("sample,energy_kev,optics\nA,38.5,5x µ\n", "utf-8"),
        ("\ufeffsample,energy_kev,optics\r\nA,38.5,5x µ\r\n,,\r\n,,\r\n", "utf-8"),  # Excel, US
        ("\ufeffsample;energy_kev;optics\r\nA;38,5;5x µ\r\n;;\r\n", "utf-8"),  # Excel, Germany
        ("\ufeffsample\tenergy_kev\toptics\r\nA\t38.5\t5x µ\r\n", "utf-16-le"),  # Unicode text
        ('"sample","energy_kev","optics"\n"A","38.5","5x µ"\n', "utf-8"),  # LibreOffice, quoted
        ("sep=;\r\nsample;energy_kev;optics\r\nA;38,5;5x µ\r\n", "utf-8"),
        ("\n\nsample,energy_kev,optics,,\n\nA,38.5,5x µ,,\n", "utf-8"),
        ("Sample , Energy_keV,OPTICS\n A ,38.5 keV, 5x\u00a0µ \n", "utf-8"),
        ("sample;energy;optics\nA;38500,0 eV;5x µ\n", "utf-8"),
        ("sample;energy_kev;optics\nA;3,85E+01;5x µ", "utf-8"),
    ],
)
def test_what_spreadsheets_save(study, tmp_path, text, encoding):
    assert changes(study, table(tmp_path, text, encoding=encoding)) == {
        ("A", "energy_kev"): (30.0, 38.5),
        ("A", "optics"): (None, "5x µ"),
    }


def test_empty_leaves_and_not_available_takes_away(study, tmp_path):
    path = table(tmp_path, "sample,alloy,energy_kev,optics\nA,,n/a,n/a\nB,N/A,31,\n")
    assert changes(study, path) == {
        ("A", "energy_kev"): (30.0, None),
        ("B", "alloy"): ("Mg-5Gd", None),
    }
    apply_metadata(study, plan_metadata_import(study, path))
    assert dict(study["A"].metadata) == {"alloy": "Mg-10Gd"}
    assert dict(study["B"].metadata) == {"energy_kev": 31.0}
    assert changes(study, path) == {}


def test_what_a_spreadsheet_does_to_zeros_is_no_change(study, tmp_path):
    put(study, "A", {"proposal": "007", "reconstruction_version": "1.10", "extra1": "0042"})
    path = table(
        tmp_path,
        "sample,subject,voxel_size_um,proposal,reconstruction_version,extra1\nA,1,2.50,7,1.1,42\n",
    )
    plan = plan_metadata_import(study, path)
    assert plan.changes == ()
    assert len(plan.notes) == 3
    assert "proposal stays '007'" in plan.notes[0]
    path = table(tmp_path, "sample;reconstruction_version\nA;1,2\n")
    assert changes(study, path) == {("A", "reconstruction_version"): ("1.10", "1,2")}


def test_free_keys_keep_their_type(study, tmp_path):
    put(study, "A", {"text": "4", "number": 4, "half": 0.5, "truth": True})
    path = export_metadata(study, tmp_path / "t.csv", separator="semicolon")
    text = path.read_text("utf-8-sig")
    assert '"0,5"' in text
    path.write_text(text.replace('"true"', '"FALSCH"').replace('"0,5"', '"1,25"'), "utf-8")
    assert changes(study, path) == {("A", "truth"): (True, False), ("A", "half"): (0.5, 1.25)}
    head = "sample,text,number,half,truth,extra.new\n"
    path = table(tmp_path, head + "A,5,5,7,0,6\nB,8,1.10,-2.5,true,'=1\n")
    assert changes(study, path) == {
        ("A", "text"): ("4", "5"),
        ("A", "number"): (4, 5),
        ("A", "half"): (0.5, 7),
        ("A", "truth"): (True, "0"),
        ("A", "new"): (None, 6),
        ("B", "text"): (None, 8),
        ("B", "number"): (None, "1.10"),
        ("B", "half"): (None, -2.5),
        ("B", "truth"): (None, True),
        ("B", "new"): (None, "=1"),
    }


# ---------------------------------------------------------------------------------------- wrong


def test_everything_wrong_is_named_at_once_and_nothing_is_written(study, tmp_path):
    before = {p: p.read_bytes() for p in study.path.rglob("*") if p.is_file()}
    path = table(
        tmp_path,
        "sample,subject,voxel_size_um,alloy,energy_kev,projections,beam,aloy,extra.a b\n"
        "A,01,2.5,Mg-4Y,30,1201,pink,,\n"
        "B,03,2.5,,38 mm,12.5,blue,,\n"
        "\n"
        "X,,,,,,,,\n"
        "A,,,,,,,,\n"
        "C,,5,,1e9,many,,,\n"
        ",01,,,,,,,\n",
    )
    with pytest.raises(ParameterError) as error:
        plan_metadata_import(study, path)
    head, *lines = str(error.value).splitlines()
    assert head == f"{path}: 12 things are wrong, and nothing was changed:"
    for line, said in zip(
        lines,
        [
            "column 'aloy' is no key; did you mean 'alloy'?",
            "column extra.a b: ",
            "row 3, sample B, subject: it is '02' and cannot be changed here, found '03'",
            "row 3, sample B, energy_kev: '38 mm' is not measured in keV",
            "row 3, sample B, projections must be a whole number",
            "row 3, sample B, beam is 'blue'",
            "row 5: there is no sample 'X'",
            "row 6, sample A: this sample is in row 2 too",
            "row 7, sample C, voxel_size_um: it is '2.5'",
            "row 7, sample C, energy_kev: 1e+09 keV cannot be",
            "row 7, sample C, projections must be a number, found 'many'",
            "row 8: the cell of the sample is empty",
        ],
        strict=True,
    ):
        assert line.startswith(said), line
    assert {p: p.read_bytes() for p in study.path.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "an empty file"),
        ("name,alloy\nA,Mg\n", "no column 'sample'"),
        ("sample,alloy,alloy\nA,Mg,Mg\n", "two columns are called 'alloy'"),
        ("sample,alloy\nA,Mg,5Gd\n", "row 2: '5Gd' stands in column C"),
        ('sample,alloy\nA,"Mg\n', "not a table"),
        ('sample,alloy\nA,"Mg" 5\n', "not a table"),
    ],
)
def test_what_is_no_such_table(study, tmp_path, text, says):
    with pytest.raises(FileFormatError, match=says):
        plan_metadata_import(study, table(tmp_path, text))


def test_files_that_are_none(study, tmp_path):
    with pytest.raises(MissingFileError):
        plan_metadata_import(study, tmp_path / "none.csv")
    with pytest.raises(FileFormatError, match="cannot be read"):
        plan_metadata_import(study, tmp_path)
    with pytest.raises(FileFormatError, match="line 2: the letters are not UTF-8"):
        plan_metadata_import(study, table(tmp_path, "sample,optics\nA,5 µm\n", encoding="cp1252"))
    (tmp_path / "t.xlsx").write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(FileFormatError, match="is a workbook; save the sheet as CSV"):
        plan_metadata_import(study, tmp_path / "t.xlsx")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sample,energy,energy_kev\nA,38 keV,38\n", "energy_kev has another column"),
        ("sample,energy\nA,38\n", "row 2, sample A, energy: '38' has no unit"),
        ('sample,distance_mm\nA,"1,200"\n', "cannot read '1,200'"),
        ("sample;distance_mm\nA;1.200\nB;1,5\n", "may mean 1200 or 1,200; write which"),
        ("sample;distance_mm\nA;1.200\nB;50\n", "may mean 1200 or 1,200; write which"),
        ("sample,extra.name\nA,x\n", "means something to srseg"),
        ("sample,alloy\nA,Mg\x07\n", "printable"),
        ('sample,alloy\nA,"Mg\n5Gd"\n', "printable"),
        ("sample,alloy\na,Mg\n", "there is no sample 'a'"),
    ],
)
def test_what_cannot_be_in_a_cell(study, tmp_path, text, says):
    with pytest.raises(ParameterError, match=re.escape(says)):
        plan_metadata_import(study, table(tmp_path, text))


def test_a_point_in_a_table_of_semicolons_is_a_decimal_one_where_another_shows_it(study, tmp_path):
    path = table(tmp_path, "sample;distance_mm\nA;1.5\nB;20.125\n")
    assert changes(study, path) == {
        ("A", "distance_mm"): (None, 1.5),
        ("B", "distance_mm"): (None, 20.125),
    }


# --------------------------------------------------------------------------------------- written


def test_only_the_metadata_of_a_sidecar_change(study):
    path = sidecar_of(study, "A")
    before = json.loads(path.read_text("utf-8"))
    before["Specimen"]["NotesOfSomebody"] = "kept"
    before["Another"] = {"Tool": [1, 2.5, None]}
    del before["SchemaVersion"]
    path.write_text(json.dumps(before), "utf-8")
    plan = set_metadata(study, "A", {"energy": "38 keV", "alloy": None, "extra": {"run": 4}})
    assert [(c.key, c.old, c.new) for c in plan.changes] == [
        ("energy_kev", 30.0, 38.0),
        ("run", None, 4),
        ("alloy", "Mg-10Gd", None),
    ]
    after = json.loads(path.read_text("utf-8"))
    (entry,) = after.pop(HISTORY)
    assert entry["Changes"] == {
        "energy_kev": [30.0, 38.0], "run": [None, 4], "alloy": ["Mg-10Gd", None],
    }  # fmt: skip
    assert set(entry) == {"By", "At", "With", "Changes"}
    assert after.pop("SchemaVersion") == "1.0"
    assert after.pop("Specimen") == {"NotesOfSomebody": "kept"}
    assert after.pop("AcquisitionParameters") == {"energy_kev": 38.0}
    assert after.pop("Extra") == {"run": 4}
    for part in ("Specimen", "AcquisitionParameters"):
        before.pop(part)
    # it was edited by hand before, which srseg does not hide
    assert "some of which srseg did not write" in after.pop("Checksum")
    assert before.pop("Checksum")
    assert after == before
    row = (study.path / "samples.tsv").read_text("utf-8").splitlines()[1]
    assert "38" in row.split("\t")
    assert study.check() == []
    # again changes nothing, not even the time of the file
    stat = path.stat()
    assert set_metadata(study, "A", {"energy": "38 keV"}).changes == ()
    assert path.stat() == stat


def test_the_history_names_the_table(study, tmp_path):
    path = table(tmp_path, "sample,alloy\nA,Mg-4Y\n")
    apply_metadata(study, plan_metadata_import(study, path))
    apply_metadata(study, plan_metadata(study, "A", {"alloy": "WE43"}))
    first, second = study["A"].sidecar[HISTORY]
    assert (first["File"], first["Changes"]) == ("table.csv", {"alloy": ["Mg-10Gd", "Mg-4Y"]})
    assert second["Changes"] == {"alloy": ["Mg-4Y", "WE43"]}


@pytest.mark.parametrize(
    ("values", "error", "says"),
    [
        ({"aloy": "Mg"}, ParameterError, "did you mean 'alloy'"),
        ({"aloy": None}, ParameterError, "did you mean 'alloy'"),
        ({"extra": {"mine": None}}, ParameterError, "unknown key 'mine'"),
        ({"extra": 3}, ParameterError, "must be a mapping"),
        ({"energy": 3}, ParameterError, "has no unit"),
    ],
)
def test_set_refuses(study, values, error, says):
    before = sidecar_of(study, "A").read_bytes()
    with pytest.raises(error, match=says):
        set_metadata(study, "A", values)
    with pytest.raises(UnknownNameError, match="no sample 'Q'"):
        set_metadata(study, "Q", values)
    assert sidecar_of(study, "A").read_bytes() == before


def test_what_somebody_else_changed_meanwhile_is_not_overwritten(study, tmp_path):
    plan = plan_metadata_import(study, table(tmp_path, "sample,alloy\nA,Mg-4Y\nB,Mg-4Y\n"))
    set_metadata(study, "B", {"alloy": "WE43"})
    with pytest.raises(DatasetError, match="'Mg-5Gd' when this was planned and is 'WE43' now"):
        apply_metadata(study, plan)
    assert [study[n].metadata["alloy"] for n in "AB"] == ["Mg-10Gd", "WE43"]
    # what is already as it shall be is no conflict
    set_metadata(study, "B", {"alloy": "Mg-4Y"})
    apply_metadata(study, plan)
    assert [study[n].metadata["alloy"] for n in "AB"] == ["Mg-4Y", "Mg-4Y"]
    assert len(study["B"].sidecar[HISTORY]) == 2


def test_imports_and_adds_at_the_same_time_lose_nothing(study, tmp_path, scan_file):
    rows = "".join(f"{name},Mg-4Y,{i + 40}\n" for i, name in enumerate("ABCDEF"))
    first = table(tmp_path, "sample,alloy,energy_kev\n" + rows)
    second = tmp_path / "second.csv"
    second.write_text("sample,optics\n" + "".join(f"{name},5x\n" for name in "FEDCBA"))
    command = [sys.executable, "-m", "srseg", "dataset", "metadata", "import", "-d", study.path]
    workers = [subprocess.Popen([*command, file]) for file in (first, second)]
    for i in range(6):
        study.add_sample(scan_file(f"new{i}.mha", seed=i), metadata={"alloy": "new"})
    for worker in workers:
        assert worker.wait(60) == 0
    dataset = Dataset(study.path)
    assert dataset.select(alloy="Mg-4Y", optics="5x").names == list("ABCDEF")
    assert len(dataset.select(alloy="new")) == 6
    assert [len(dataset[name].sidecar[HISTORY]) for name in "ABCDEF"] == [2] * 6
    assert dataset.check() == []


def test_a_lock_is_held_while_a_sidecar_is_written(study, monkeypatch):
    held = []
    monkeypatch.setattr(
        "srseg.dataset._metadata.write.write_json",
        lambda *_, **__: held.extend(p.name for p in Layout(study.path).private.iterdir()),
    )
    set_metadata(study, "A", {"alloy": "WE43"})
    assert ".sample-a.holder" in held


def test_an_interrupted_import_is_finished_by_doing_it_again(study, tmp_path, monkeypatch):
    path = table(tmp_path, "sample,alloy\n" + "".join(f"{n},Mg-4Y\n" for n in "ABCDEF"))
    written = []

    def interrupted(target, *arguments, **options):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(target)
        write_json(target, *arguments, **options)

    plan = plan_metadata_import(study, path)
    with monkeypatch.context() as patch:
        patch.setattr("srseg.dataset._metadata.write.write_json", interrupted)
        with pytest.raises(KeyboardInterrupt):
            apply_metadata(study, plan)
    assert study.select(alloy="Mg-4Y").names == ["A", "B"]
    assert study.check() == []  # the tables say what was written
    plan = plan_metadata_import(study, path)
    assert [change.sample for change in plan.changes] == list("CDEF")
    apply_metadata(study, plan)
    assert study.select(alloy="Mg-4Y").names == list("ABCDEF")
