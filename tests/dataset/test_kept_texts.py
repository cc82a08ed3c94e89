"""Texts of which srseg keeps a copy: gone, half written, and made by two at once."""

import shutil
import threading

import pytest
from typer.testing import CliRunner

from srseg import DEFAULT_LABELS, Dataset, LabelClass, LabelTable
from srseg.cli import app
from srseg.dataset import _kept, accept, repair
from srseg.dataset._create import describe_derivative, ignore_in_derivative
from srseg.dataset._integrity.check_kept import mend_kept
from srseg.dataset._integrity.mender import Mender
from srseg.dataset._layout import Layout
from srseg.errors import DatasetError, FileFormatError, StorageError


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def dataset(tmp_path):
    dataset = Dataset.create(tmp_path / "mgbone")
    describe_derivative(Layout(dataset.path), "labels", "Label sets")
    return dataset


@pytest.mark.parametrize(
    ("name", "spared"),
    [
        ("README", True),
        (".bidsignore", True),
        ("derivatives/labels/.bidsignore", True),
        ("dseg.tsv", False),
        ("dataset_description.json", False),
        ("derivatives/labels/dataset_description.json", False),
    ],
)
def test_a_text_that_is_gone_is_named_and_comes_back(dataset, name, spared):
    path = dataset.path / name
    before = path.read_bytes()
    path.unlink()
    archive = Dataset(dataset.path)  # also where what makes it a dataset is gone
    (problem,) = archive.check()
    assert (problem.kind, problem.path) == ("missing", path)
    assert ("--accept" in problem.advice) == spared
    (step,) = repair(archive, dry_run=True)
    assert not path.exists()
    assert repair(archive) == [step]
    assert path.read_bytes() == before
    assert archive.check(deep=True) == []

    path.unlink()
    arguments = ["dataset", "check", "--accept", str(path), "-d", str(dataset.path)]
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code == 0) == spared
    assert (archive.check(deep=True) == []) == spared
    if not spared:
        assert "is needed; bring it back with" in result.output
        repair(archive)
        assert path.read_bytes() == before


@pytest.mark.parametrize("which", [_kept.copy_of, _kept.coming_of])
def test_a_damaged_copy_is_left_and_named_and_the_rest_is_mended(dataset, which):
    layout = Layout(dataset.path)
    path, other = dataset.path / "README", dataset.path / ".bidsignore"
    before = other.read_bytes()
    path.unlink()
    other.unlink()
    damaged = which(layout, path)
    damaged.write_bytes(b"about \xff\xfe\n")
    steps = {step.path: step for step in repair(dataset)}
    assert steps[path].action == "left"
    assert f"{damaged} is damaged" in steps[path].message
    assert other.read_bytes() == before
    damaged.unlink()
    repair(dataset)
    assert dataset.check(deep=True) == []


@pytest.mark.parametrize("kept", [False, True])
def test_a_refused_text_leaves_nothing_behind(dataset, kept):
    layout = Layout(dataset.path)
    path = dataset.path / "README"
    if not kept:
        _kept.copy_of(layout, path).unlink()
    before = sorted((layout.private / "kept").iterdir())
    with pytest.raises(StorageError, match="README"):
        _kept.write_kept(layout, path, "ours\n", overwrite=False)
    assert sorted((layout.private / "kept").iterdir()) == before


def test_a_last_line_without_an_end_stays_a_line(dataset):
    path = dataset.path / "derivatives" / "labels" / ".bidsignore"
    path.write_text("mine")
    ignore_in_derivative(Layout(dataset.path), "labels", "*_more.tsv")
    assert path.read_text() == "mine\n*_more.tsv\n"


def test_a_line_more_in_a_text_with_other_ends_of_lines_is_no_edit(dataset):
    path = dataset.path / "derivatives" / "labels" / ".bidsignore"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    ignore_in_derivative(Layout(dataset.path), "labels", "*_more.tsv")
    assert dataset.check(deep=True) == []


def test_repair_does_again_nothing_that_was_done_before_it_had_the_lock(dataset, monkeypatch):
    path = dataset.path / "README"
    before = path.read_bytes()
    path.unlink()
    lock = Layout.lock

    def late(layout, *arguments, **options):
        path.write_bytes(before)
        return lock(layout, *arguments, **options)

    monkeypatch.setattr(Layout, "lock", late)
    mender = Mender(Layout(dataset.path), dry_run=False)
    mend_kept(mender)
    assert mender.repairs == []


def test_ends_of_lines_come_back_as_they_were(dataset):
    path = dataset.path / "README"
    path.write_bytes(b"ours\r\nand mine\n")
    accept(dataset, [path])
    path.unlink()
    repair(dataset)
    assert path.read_bytes() == b"ours\r\nand mine\n"


def test_a_text_of_another_encoding_is_named(dataset):
    path = dataset.path / "derivatives" / "labels" / ".bidsignore"
    path.write_bytes(b"\xff\n")
    with pytest.raises(FileFormatError, match="its byte 0 is not UTF-8"):
        ignore_in_derivative(Layout(dataset.path), "labels", "*_more.tsv")
    assert path.read_bytes() == b"\xff\n"


def test_a_derivative_without_its_description_gets_back_what_was_accepted(dataset):
    layout = Layout(dataset.path)
    path = layout.derivative("labels") / "dataset_description.json"
    path.write_text(path.read_text().replace('"Name": "Label', '"Name": "Our label'))
    accept(dataset, [path])
    path.unlink()
    describe_derivative(layout, "labels", "Label sets")
    assert "Our label" in path.read_text()
    assert dataset.check(deep=True) == []


def test_a_derivative_that_was_deleted_whole_is_a_new_one(dataset):
    layout = Layout(dataset.path)
    folder = layout.derivative("labels")
    ignore_in_derivative(layout, "labels", "*_more.tsv")
    shutil.rmtree(folder)
    (folder / "sub-01" / "micr").mkdir(parents=True)  # as a prediction does before it begins
    describe_derivative(layout, "labels", "Other sets")
    assert "Other sets" in (folder / "dataset_description.json").read_text()
    assert "*_more.tsv" not in (folder / ".bidsignore").read_text()
    assert dataset.check(deep=True) == []


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_kill_between_text_and_copy_is_no_edit(dataset, monkeypatch, call, again):
    layout = Layout(dataset.path)
    path = layout.derivative("labels") / ".bidsignore"
    left = [call]

    def dies(work):
        def at_call(*arguments, **options):
            left[0] -= 1
            if not left[0]:
                raise Killed
            return work(*arguments, **options)

        return at_call

    with monkeypatch.context() as patch:
        patch.setattr(_kept, "write_text", dies(_kept.write_text))
        patch.setattr(_kept, "settle_kept", dies(_kept.settle_kept))
        with pytest.raises(Killed):
            ignore_in_derivative(layout, "labels", "*_more.tsv")
    problems = dataset.check(deep=True)
    assert [(p.kind, p.path) for p in problems] == [("unfinished", path)] * (call > 1)
    if again:
        ignore_in_derivative(layout, "labels", "*_more.tsv")
    else:
        assert [s.action for s in repair(dataset)] == ["finished"] * (call > 1)
    assert path.read_text().count("*_more.tsv") == (again or call > 1)
    assert dataset.check(deep=True) == []


def test_what_is_edited_after_a_kill_stays(dataset):
    layout = Layout(dataset.path)
    path = layout.derivative("labels") / ".bidsignore"
    _kept.coming_of(layout, path).write_text("**/*.h5\n**/*.json\n*_more.tsv\n")
    path.write_text("mine\n")
    repair(dataset)
    assert path.read_text() == "mine\n"
    assert [p.kind for p in dataset.check(deep=True)] == ["edited"]


def test_of_two_who_make_a_dataset_at_once_one_does(tmp_path):
    other = LabelTable([LabelClass(0, "air"), LabelClass(7, "wood")])
    for attempt in range(5):
        folder = tmp_path / f"study{attempt}"
        begin, told = threading.Barrier(2), {}

        def make(name, table, folder=folder, begin=begin, told=told):
            begin.wait()
            try:
                Dataset.create(folder, name=name, table=table)
            except DatasetError as error:
                told[name] = str(error)

        both = {"one": DEFAULT_LABELS, "two": other}
        threads = [threading.Thread(target=make, args=item) for item in both.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ((loser, said),) = told.items()
        (winner,) = both.keys() - {loser}
        assert "another folder" in said
        dataset = Dataset(folder)
        assert dataset.table == both[winner]
        assert (folder / "README").read_text().startswith(winner)
        assert f'"Name": "{winner}"' in dataset._layout.description.read_text()
        assert dataset.check(deep=True) == []


def test_classes_of_a_dataset_whose_texts_are_gone_are_not_replaced(dataset):
    kept = _kept.copy_of(dataset._layout, dataset._layout.label_table)
    before = kept.read_bytes()
    dataset._layout.description.unlink()
    dataset._layout.label_table.unlink()
    other = LabelTable([LabelClass(0, "air"), LabelClass(1, "ore")])
    with pytest.raises(DatasetError, match="is a dataset already"):
        Dataset.create(dataset.path, name="mgbone", table=other)
    assert kept.read_bytes() == before
