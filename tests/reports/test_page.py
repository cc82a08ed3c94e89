"""The page of a study: what stands on it, what it loads, and what it says is missing."""

from __future__ import annotations

import base64
import io
import re
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from html_page import PageText
from PIL import Image

from srseg import DEFAULT_LABELS, Dataset, Volume
from srseg.dataset import measured_facts
from srseg.errors import ParameterError, StorageError, UnknownNameError
from srseg.io import write_volume
from srseg.labels import LabelClass, LabelTable
from srseg.phantoms import make_phantom
from srseg.quantification import Measures, measure
from srseg.reports import write_report
from srseg.reports._page._facts import scan_facts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHAPE = (42, 40, 44)
PREDICTED = "srseg-wf/soft9"
HOSTILE = '"><script>alert(1)</script><img src=http://evil.example/x>'
MADE = {
    "version": "0.9", "torch": "2.13", "model": "wf.srseg", "model_sha256": "0" * 64,
    "backbone": "unet", "width": 8, "depth": 2, "voxel_size_um": 20.0,
    "clip_percentiles": [0.5, 99.9], "planes": ["rc", "cp", "pr"], "voting": "soft",
    "training_samples": ["T", "B:z0-20"],
}  # fmt: skip


def iou(truth: Any, labels: Any, value: int) -> float:
    return np.sum((truth == value) & (labels == value)) / np.sum(
        (truth == value) | (labels == value)
    )


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A and B with WF, HQ and a prediction, A measured; C with WF alone."""
    folder = tmp_path_factory.mktemp("page")
    dataset = Dataset.create(folder / "study", name="Screws")
    for seed, name in enumerate("ABC"):
        phantom = make_phantom(seed, SHAPE)
        write_volume(folder / f"{name}.h5", phantom.scan)
        dataset.add_sample(
            folder / f"{name}.h5", name=name,
            metadata={"alloy": HOSTILE if name == "C" else "Mg-5Gd", "beamline": "P05"},
        )  # fmt: skip
        for label_set, volume in (("WF", phantom.wf), ("HQ", phantom.truth)):
            if name == "C" and label_set == "HQ":
                continue
            write_volume(folder / "labels.h5", volume, overwrite=True)
            dataset.add_labels(
                folder / "labels.h5", sample=name, label_set=label_set, manual=label_set == "HQ"
            )
        if name != "C":
            _predict(dataset, name, phantom.truth)
    numbers = measure(dataset["A"].labels("HQ"), distances=(100, 200))
    facts = {**numbers.facts, **measured_facts(dataset["A"], "HQ")}
    dataset.keep_measures("A", "HQ", Measures(numbers.entries, facts))
    return folder


def _predict(dataset: Dataset, name: str, truth: Volume) -> None:
    """Keep a prediction that is the truth, shifted by a voxel, and surely wrong at one place."""
    wrong = np.roll(truth.read(), 1, axis=0)
    margin = np.ones(SHAPE, np.float32)
    margin[7] = 0.1
    with dataset.create_prediction(
        name, "wf", truth.grid, description="soft9", provenance=MADE, saves=["disagreement"]
    ) as sink:
        sink.fill(
            Volume(wrong, truth.grid, table=DEFAULT_LABELS),
            entropy=Volume(1 - margin, truth.grid),
            margin=Volume(margin, truth.grid),
        )


@pytest.fixture(scope="session")
def whole(kept: Path) -> tuple[Path, PageText]:
    path = kept / "whole.html"
    write_report(Dataset(kept / "study"), path, title=f"Screws {HOSTILE}")
    return path, PageText(path.read_text("utf-8"))


@pytest.fixture
def study(kept: Path, tmp_path: Path) -> Dataset:
    return Dataset(shutil.copytree(kept / "study", tmp_path / "study"))


@pytest.fixture
def report(study: Dataset, tmp_path: Path) -> Callable[..., Any]:
    """Write a page of samples, and give what is on it."""

    def write(*names: str, **more: Any) -> tuple[Any, PageText]:
        path = tmp_path / "page.html"
        done = write_report(study.select(name=list(names)), path, overwrite=True, **more)
        assert path.stat().st_size == done.size
        return done, PageText(path.read_text("utf-8"))

    return write


def test_nothing_is_loaded_from_elsewhere(whole):
    _, page = whole
    assert page.fetched
    assert all(address.startswith("data:") for address in page.fetched)
    assert not re.search(r"@import|url\(\s*['\"]?(?!data:)", page.styles)
    outside = {link for link in page.links if not link.startswith("#")}
    assert outside == {"https://doi.org/10.1038/s41598-021-03542-y"}
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert not {"iframe", "object", "embed", "base", "form"} & set(page.tags)


def test_texts_of_others_stay_texts(whole):
    path, page = whole
    assert "<title>Screws &#34;&gt;&lt;script&gt;" in path.read_text("utf-8")
    assert HOSTILE in page.text
    assert not any("evil.example" in address for address in (*page.fetched, *page.links))


def test_agreement_is_what_counting_voxels_gives(whole, kept):
    _, page = whole
    rows = page.table("label set", "samples")
    dataset = Dataset(kept / "study")
    for row, name in zip(rows, ("WF", PREDICTED), strict=True):
        scores = [
            [iou(s.labels("HQ").read(), s.labels(name).read(), v) for v in (1, 2, 3)]
            for s in (dataset["A"], dataset["B"])
        ]
        means = np.mean(scores, axis=0)
        assert row[:2] == [name, "2"]
        assert [float(cell) for cell in row[2:]] == pytest.approx(
            [100 * v for v in (*means, means.mean())], abs=0.006
        )
    assert [row[:2] for row in page.table("sample", "label set")] == [
        ["A", "WF"], ["A", PREDICTED], ["B", "WF"], ["B", PREDICTED],
    ]  # fmt: skip


def test_a_sample_that_was_trained_on_is_no_measure(whole):
    _, page = whole
    assert f"The model of {PREDICTED} was trained on B: its score there is no measure" in page.text


def test_shares_of_classes_are_those_of_the_voxels(whole, kept):
    _, page = whole
    tables = [t for t in page.tables if t[0][0] == "class"]
    assert [t[0][1:] for t in tables] == [["HQ", "WF", PREDICTED], ["HQ", "WF", PREDICTED], ["WF"]]
    labels = Dataset(kept / "study")["B"].labels(PREDICTED)
    for row, c in zip(tables[1][1:], DEFAULT_LABELS, strict=True):
        n = np.sum(labels.read() == c.value)
        share, volume = re.fullmatch(r"([\d.]+) % \(([\d.e-]+) mm³\)", row[3]).groups()
        assert row[0] == c.name
        assert float(share) == pytest.approx(100 * n / labels.grid.n_voxels, abs=0.006)
        assert float(volume) == pytest.approx(n * 0.02**3, rel=1e-3)


def test_numbers_that_were_measured_stand_there_and_others_are_asked_for(whole, kept):
    _, page = whole
    known = Dataset(kept / "study")["A"].measures("HQ")
    (table,) = [t for t in page.tables if t and t[0] == ["quantity", "sample", "HQ"]]
    rows = {row[0]: row for row in table}
    assert rows["BIC [%]"][1:] == ["A", f"{known['bone_implant_contact'].value:.2f}"]
    assert "Not measured: A WF, A srseg-wf/soft9, B HQ" in page.text
    assert "Boundary voxels of the implant" in page.text  # a definition


def test_where_to_correct_is_where_the_planes_disagree(whole):
    _, page = whole
    rows = page.table("sample", "voxels expected to be wrong")
    assert {row[0] for row in rows} == {"A", "B"}
    assert all(row[2] == "z 7 (100.0 %)" for row in rows)
    for name in "AB":
        command = (
            f"srseg correct export {name} --labels {PREDICTED} --at z:7 --out {name}-to-correct"
        )
        assert command in page.text
    # (1 - margin) / 2 of the voxels of one slice
    expected = 0.45 * SHAPE[1] * SHAPE[2]
    assert [float(row[1].split()[0]) for row in rows] == pytest.approx([expected] * 2, rel=0.01)


def test_it_says_how_labels_were_made(whole):
    _, page = whole
    assert "Labels “srseg-wf/soft9” (2 samples, voxel size 20 µm) were predicted" in page.text
    assert "along 3 planes (rc, cp, pr)" in page.text
    assert "were drawn or corrected by hand" in page.text


def test_pictures_can_be_opened_and_have_words(whole):
    _, page = whole
    assert len(page.alts) == len(set(page.alts)) == 4 + 4 + 3 + 1
    assert all(alt and len(alt) > 20 for alt in page.alts)
    photos = [a for a in page.fetched if a.startswith("data:image/webp")]
    assert len(photos) == 3 + 3 + 2
    for address in photos:
        picture = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
        assert np.asarray(picture).std() > 20


def test_a_scan_that_is_away_is_said_and_the_rest_is_there(study, tmp_path, report):
    scan = tmp_path / "away.h5"
    write_volume(scan, study["C"].scan)
    study.add_sample(scan, name="D", copy=False)
    write_volume(tmp_path / "labels.h5", study["C"].labels("WF"))
    study.add_labels(tmp_path / "labels.h5", sample="D", label_set="WF")
    scan.unlink()
    done, page = report("A", "D")
    (note,) = done.notes
    assert note.startswith("D: the scan:")
    assert "away.h5" in note
    assert note in page.text
    assert "What is missing on this page" in page.text
    # of D the implant in space is left, which needs labels alone
    assert [alt for alt in page.alts if re.search(r"\bD\b", alt)] == [
        "The implant of D in space, from outside and cut open."
    ]


def test_damaged_labels_are_said_and_the_rest_is_there(study, report):
    sidecar = study["A"].labels_sidecar(PREDICTED)
    sidecar.with_suffix(".h5").unlink()
    done, page = report("A")
    assert any(note.startswith(f"A: labels {PREDICTED}:") for note in done.notes)
    assert [row[0] for row in page.table("label set", "bone")] == ["WF"]


def test_label_sets_are_chosen(report):
    done, page = report("A", labels=["srseg-wf"], against="WF")
    assert done.label_sets == ("WF", PREDICTED)
    assert done.against == "WF"
    assert [row[0] for row in page.table("label set", "bone")] == [PREDICTED]
    assert "Agreement with WF" in page.text


def test_a_page_without_truth_has_no_agreement(report):
    done, page = report("C")
    assert done.against is None
    assert "Agreement" not in page.text
    assert "Sample C" in page.text


def test_few_labelled_slices_are_shown_as_such(study, tmp_path, report):
    sparse = study["A"].labels("HQ").read().copy()
    sparse[np.arange(SHAPE[0]) % 9 > 0] = 255
    grid = study["A"].labels("HQ").grid
    write_volume(tmp_path / "sparse.h5", Volume(sparse, grid, table=DEFAULT_LABELS))
    study.add_labels(tmp_path / "sparse.h5", sample="A", label_set="HQ")
    done, page = report("A")
    assert done.notes == ()
    assert "In HQ, 88.1 % of the voxels are not labelled." in page.text
    assert "HQ labels only 11.9 % of the voxels: all are scored there alone." in page.text
    assert f"The implant in space ({PREDICTED})" in page.text  # not the few slices
    row = page.table("label set", "bone")[0]
    wf = study["A"].labels("WF").read()[::9]
    assert float(row[1]) == pytest.approx(100 * iou(sparse[::9], wf, 1), abs=0.006)


def test_labels_on_another_grid_than_the_scan(study, tmp_path, report):
    coarse = study["C"].labels("WF").read()[::2, ::2, ::2]
    write_volume(tmp_path / "coarse.h5", Volume.from_array(coarse, 40.0, table=DEFAULT_LABELS))
    study.add_labels(tmp_path / "coarse.h5", sample="C", label_set="HQ")
    done, page = report("C")
    assert done.notes == ()
    assert [row[0] for row in page.table("label set", "bone")] == ["WF"]
    assert sum(bool(re.search(r"\bC\b", alt)) for alt in page.alts) == 4


def test_the_page_keeps_to_its_size(report):
    larger, _ = report("A")
    smaller, page = report("A", max_size=2_000_000)
    assert smaller.size <= 2_000_000 < larger.size
    assert "srseg-viewer" not in page.text
    assert smaller.notes == ("The viewer: the page would become too large; allow more",)
    with pytest.raises(ParameterError, match=r"MB without the viewer, and 0\.1 MB are allowed"):
        report("A", max_size=100_000)


def test_what_is_not_there_is_refused(study, tmp_path, report):
    for wanted in ({"labels": ["XX"]}, {"against": "XX"}):
        with pytest.raises(UnknownNameError, match="no sample has a label set 'XX'; there are: HQ"):
            report("A", **wanted)
    with pytest.raises(ParameterError, match="nothing to report"):
        write_report(study[:0], tmp_path / "page.html")
    (tmp_path / "old.html").write_text("mine")
    with pytest.raises(StorageError):
        write_report(study, tmp_path / "old.html")
    assert (tmp_path / "old.html").read_text() == "mine"


def test_other_classes_than_those_of_an_implant(tmp_path):
    voxels = np.random.default_rng(0).integers(0, 3, (12, 14, 16)).astype(np.uint8)
    table = LabelTable([LabelClass(0, "air"), LabelClass(1, "rock"), LabelClass(2, "ore")])
    dataset = Dataset.create(tmp_path / "study", table=table)
    write_volume(tmp_path / "scan.h5", Volume.from_array(voxels.astype(np.uint16) * 1000, 2.0))
    write_volume(tmp_path / "labels.h5", Volume.from_array(voxels, 2.0, table=table))
    dataset.add_sample(tmp_path / "scan.h5", name="S")
    dataset.add_labels(tmp_path / "labels.h5", sample="S", label_set="WF")
    done = write_report(dataset, tmp_path / "page.html")
    page = PageText((tmp_path / "page.html").read_text("utf-8"))
    assert [note.partition(":")[0] for note in done.notes] == ["S"]
    assert "the implant in space" in done.notes[0]
    assert [row[0] for row in page.table("class", "WF")] == ["air", "rock", "ore"]


def test_names_are_no_formulas_and_take_no_place_of_facts(tmp_path):
    voxels = np.random.default_rng(0).integers(0, 3, (12, 14, 16)).astype(np.uint8)
    table = LabelTable([LabelClass(0, "air"), LabelClass(1, "a $\\foo$"), LabelClass(2, "$b")])
    dataset = Dataset.create(tmp_path / "study", table=table)
    write_volume(tmp_path / "scan.h5", Volume.from_array(voxels.astype(np.uint16) * 1000, 2.0))
    write_volume(tmp_path / "labels.h5", Volume.from_array(voxels, 2.0, table=table))
    noted = {"extra": {"size": "M6", "scan": "the second"}}
    dataset.add_sample(tmp_path / "scan.h5", name="S", metadata=noted)
    dataset.add_labels(tmp_path / "labels.h5", sample="S", label_set="WF")
    done = write_report(dataset, tmp_path / "page.html")
    assert len(done.notes) == 1  # it is no implant
    facts = scan_facts(dataset["S"])
    assert facts["Size"].endswith(" mm")
    assert facts["Size (as noted)"] == "M6"
    assert facts["Scan (as noted)"] == "the second"
