"""One flipped bit anywhere in a dataset is found, and named by the file and the part of it."""

import json
import os
import random
import runpy
from contextlib import ExitStack, contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from srseg import DEFAULT_LABELS, Dataset, Volume
from srseg.dataset import accept, set_metadata
from srseg.errors import StorageError
from srseg.inference import ScratchImage
from srseg.io import SAVES, write_volume
from srseg.progress import reporting
from srseg.quantification import Measure, Measures
from srseg.storage import tensor_damage
from srseg.training import damage_in
from srseg.training._sealed import write_sealed

voters = runpy.run_path(str(Path(__file__).parents[1] / "inference" / "_voters.py"))

SHAPE = (70, 12, 10)  # two blocks, the last one thin
STEM = "sub-01/micr/sub-01_sample-A"
LABELS, WF = f"derivatives/labels/{STEM}_desc-WF", f"derivatives/srseg-wf/{STEM}_desc-soft9"
COPY = f"derivatives/preprocessed/{STEM}_res-4um"
FILES = {
    "a copied scan": f"{STEM}_XPCT.h5",
    "its sidecar": f"{STEM}_XPCT.json",
    "a label set": f"{LABELS}_dseg.h5",
    "the sidecar of labels": f"{LABELS}_dseg.json",
    "an older revision": f"{LABELS}_rev-1_dseg.h5",
    "the sidecar of an older revision": f"{LABELS}_rev-1_dseg.json",
    "a working copy": f"{COPY}_XPCT.h5",
    "the sidecar of a working copy": f"{COPY}_XPCT.json",
    "a prediction": f"{WF}_dseg.h5",
    "the sidecar of a prediction": f"{WF}_dseg.json",
    "probabilities": f"{WF}_probseg.h5",
    "the sidecar of probabilities": f"{WF}_probseg.json",
    "a margin": f"{WF}_margin.h5",
    "measures": f"{LABELS}_measures.json",
    "the table of measures": f"{LABELS}_measures.tsv",
    "a model": "models/wf.srseg",
    "a checkpoint": "models/wf.checkpoint",
    "the samples": "samples.tsv",
    "what the columns are": "samples.json",
    "the subjects": "participants.tsv",
    "the classes": "dseg.tsv",
    "the description": "dataset_description.json",
    "the description of a derivative": "derivatives/labels/dataset_description.json",
    "a list for validators": "derivatives/labels/.bidsignore",
    "the README": "README",
}
EVERYTHING = tuple(slice(0, n) for n in (10, 7, 9))


@pytest.fixture(scope="module")
def rich(tmp_path_factory):
    """One sample with everything that srseg keeps, and a prediction that was stopped."""
    folder = tmp_path_factory.mktemp("rich")
    rng = np.random.default_rng(0)
    dataset = Dataset.create(folder / "d")
    scan = rng.integers(0, 60000, SHAPE, dtype=np.uint16)
    write_volume(folder / "scan.mha", Volume.from_array(scan, 4.0))
    dataset.add_sample(folder / "scan.mha", name="A", metadata={"species": "sheep"})
    labels = np.broadcast_to(np.arange(SHAPE[0])[:, None, None] // 20, SHAPE).astype(np.uint8)
    for _ in range(2):
        volume = Volume.from_array(labels, 4.0, table=DEFAULT_LABELS)
        write_volume(folder / "labels.mha", volume, overwrite=True)
        dataset.add_labels(folder / "labels.mha", sample="A", label_set="WF")
    dataset.preprocess(voxel_size=4.0)
    with dataset.create_prediction(
        "A", "wf", dataset["A"].scan.grid, description="soft9", provenance={}, saves=SAVES
    ) as sink:
        sink.labels[:] = sink.entropy[:] = sink.margin[:] = labels
        sink.probabilities[:] = rng.integers(0, 64, (4, *SHAPE), dtype=np.uint8)
    one = Measure("degradation_rate", "DR", 0.25, "mm/year", "Eq. 1", {})
    facts = {"sample": "A", "label_set": "WF"}
    stamp = dataset["A"].labels_info("WF")["Stamp"]
    dataset.keep_measures("A", "WF", Measures((one,), {**facts, "labels_stamp": stamp}))
    (dataset.path / "models").mkdir()
    tensors = {"stem.weight": torch.arange(40.0), "head.bias": torch.zeros(3, dtype=torch.int8)}
    for kind, name in (("srseg-model", "wf.srseg"), ("srseg-checkpoint", "wf.checkpoint")):
        write_sealed(dataset.path / "models" / name, kind, {"width": 8}, tensors)
    scratch = dataset.prediction_scratch("A", "wf", description="hard9")
    with voters["opened"](scratch) as votes:
        voters["vote"](votes, until=(1, 1))
    with image_of(scratch) as image:
        image.write(EVERYTHING, rng.random((10, 7, 9), dtype=np.float32))
        image.finish()
    assert [p.kind for p in dataset.check(deep=True)] == ["paused"]
    return dataset


def image_of(scratch):
    return ScratchImage.open(scratch, {"scan": "A"}, (10, 7, 9), 4)


@contextmanager
def one_bit(file, position, bit):
    """Flip a bit, and flip it back; the file has the time that it had."""
    facts = file.stat()

    def flip():
        with file.open("r+b") as stream:
            stream.seek(position)
            (byte,) = stream.read(1)
            stream.seek(position)
            stream.write(bytes([byte ^ (1 << bit)]))
        os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))

    flip()
    try:
        yield
    finally:
        flip()


def wrong(dataset):
    return [problem for problem in dataset.check(deep=True) if problem.is_wrong]


# what is said of one of them may be said of another one too
ALONE = ("its sidecar", "the subjects", "the description")
OTHERS = (".h5", ".srseg", ".checkpoint", "_measures.tsv")
TEXTS = tuple(kind for kind, name in FILES.items() if not name.endswith(OTHERS))
GROUPS = {
    "voxels and models": [kind for kind in FILES if kind not in TEXTS],
    "sidecars and texts": [kind for kind in TEXTS if kind not in ALONE],
    **{kind: [kind] for kind in ALONE},
}


@pytest.mark.parametrize("where", ["first", "last", "header", "middle", 1, 2, 3, 4])
@pytest.mark.parametrize("group", GROUPS)
def test_any_bit_is_found_and_its_file_is_named(rich, group, where):
    """One bit in each file of a group at once: every one of them is named, and no other."""
    files = {kind: rich.path / FILES[kind] for kind in GROUPS[group]}
    with ExitStack() as flipped:
        for kind, file in files.items():
            size, chance = file.stat().st_size, random.Random(f"{kind} {where}")
            usual = {"first": 0, "last": size - 1, "header": 8, "middle": size // 2}
            position = usual.get(where, chance.randrange(size))
            flipped.enter_context(one_bit(file, position, chance.randrange(8)))
        problems = wrong(rich)
    named = {problem.path for problem in problems}
    assert named >= set(files.values()), [str(problem) for problem in problems]
    if group == "voxels and models":
        assert named == set(files.values())
        assert {p.kind for p in problems} <= {"damaged", "changed", "edited"}
    assert all(problem.advice.endswith(".") for problem in problems)


def test_all_is_well_again_and_progress_counts_bytes(rich):
    """What is left of all bytes is what an ETA needs."""
    totals, done = [], []

    class Watching:
        @contextmanager
        def open(self, description, total):
            totals.append((description, total))
            yield self

        def advance(self, amount=1, status=""):
            done.append(amount)

    with reporting(Watching()):
        assert wrong(rich) == []
    ((_, total),) = [t for t in totals if t[0] == "reading everything"]
    voxels = sum(path.stat().st_size for path in rich.path.rglob("*.h5"))
    assert total > voxels
    assert sum(done) == pytest.approx(total, rel=0.2)
    assert max(done) < total / 5


def test_what_of_a_file_is_damaged_is_told(rich):
    """Blocks, structure, tensors: more than that a file is damaged."""
    content = (rich.path / FILES["a model"]).read_bytes()
    weights = content.index(np.arange(40, dtype="<f4").tobytes())
    said = {}
    for kind, position in (
        ("a label set", 100), ("a working copy", 100), ("a model", weights + 17),
        ("a model", content.index(b"width")), ("a checkpoint", 3),
    ):  # fmt: skip
        file = rich.path / FILES[kind]
        with one_bit(file, position, 0):
            said[kind, position] = [p for p in wrong(rich) if p.kind == "damaged"][-1]
    tensor, words, header = list(said.values())[2:]
    assert "1 of 2 tensors damaged: stem.weight" in tensor.message
    assert "its description is damaged" in words.message
    assert "its header is damaged" in header.message
    assert "--restart" in header.advice
    assert "srseg preprocess" in said["a working copy", 100].advice
    # the last block of a working copy is filled up with what is no voxel: told as that block
    file = rich.path / FILES["a working copy"]
    with one_bit(file, file.stat().st_size // 2, 0):
        (problem,) = wrong(rich)
    assert "1 of 2 blocks is damaged, voxels (z, y, x) " in problem.message


def test_how_to_get_it_back_depends_on_what_there_is(rich):
    source = Path(json.loads((rich.path / FILES["its sidecar"]).read_text())["Source"]["File"])
    scan, labels = (rich.path / FILES[kind] for kind in ("a copied scan", "a label set"))
    with one_bit(scan, scan.stat().st_size // 2, 0):
        (problem,) = [p for p in wrong(rich) if p.kind == "damaged"]
        assert f"srseg dataset add {source}" in problem.advice
        away = source.rename(source.with_suffix(".away"))
        (problem,) = [p for p in wrong(rich) if p.kind == "damaged"]
        assert problem.advice == "Take the file from a backup."
        away.rename(source)
    with h5py.File(labels) as h5:
        block = h5["entry/data/data"].id.get_chunk_info(0).byte_offset
    with one_bit(labels, block + 10, 0):
        (problem,) = [p for p in wrong(rich) if p.kind == "damaged"]
        assert "srseg dataset restore A --set WF --revision 1" in problem.advice


def test_votes_and_images_are_found_or_mean_nothing(rich, tmp_path):
    """A bit in a place that counts no more changes nothing: the votes come back as they were."""
    scratch = rich.prediction_scratch("A", "wf", description="hard9")
    with voters["opened"](scratch) as votes:
        before = voters["digest"](votes)
    with image_of(scratch) as image:
        voxels = image[EVERYTHING]
    chance, found = random.Random(1), 0
    for file in sorted(scratch.glob("srseg-*")):
        size = file.stat().st_size
        for position in (0, chance.randrange(size)):
            content = file.read_bytes()
            with one_bit(file, position, chance.randrange(8)):
                problems = wrong(rich)
                assert {p.path for p in problems} <= {
                    file, scratch / "srseg-votes.state", scratch / "srseg-image.state"
                }, problems  # fmt: skip
                found += bool(problems)
                if not problems:
                    with voters["opened"](scratch) as votes, image_of(scratch) as image:
                        assert voters["digest"](votes) == before
                        np.testing.assert_array_equal(image[EVERYTHING], voxels)
            assert file.read_bytes() == content
    assert found > 6
    tiles = scratch / "srseg-image.tiles"
    with one_bit(tiles, 128 * 3 + 5, 2):
        (problem,) = wrong(rich)
    assert (
        "1 of 18 tiles of the image is damaged, voxels (z, y, x) 0:4, 4:7, 0:4" in problem.message
    )
    assert "--restart" in problem.advice


def test_what_was_edited_by_hand_is_told_until_it_is_accepted(rich):
    sidecar, table = (rich.path / FILES[kind] for kind in ("its sidecar", "the classes"))
    before = {file: file.read_bytes() for file in (sidecar, table)}
    sidecar.write_text(sidecar.read_text().replace('"species": "sheep"', '"species": "goats"'))
    table.write_text(table.read_text().replace("bone", "Bone"))
    assert [p.kind for p in rich.check()] == ["table", "table", "paused"]
    told = {p.path: p for p in wrong(rich) if p.kind == "edited"}
    assert set(told) == {sidecar, table}
    assert "sub-01_sample-A_XPCT.h5 says otherwise of Specimen" in told[sidecar].message
    assert "'1\\tBone" in told[table].message
    assert "and was '1\\tbone" in told[table].message
    # srseg goes on with it, and does not hide it
    set_metadata(rich, "A", {"alloy": "Ti"})
    (one,) = [p for p in wrong(rich) if p.path == sidecar]
    assert "before srseg last wrote it" in one.message
    assert [s.action for s in accept(rich, [rich.path], dry_run=True)] == ["accepted"] * 2
    assert [s.action for s in accept(rich, [sidecar, table])] == ["accepted"] * 2
    assert wrong(rich) == []
    for file, content in before.items():
        file.write_bytes(content)
    accept(rich, [table])
    assert {p.kind for p in wrong(rich)} == {"table"}


def test_a_model_names_the_tensor_where_it_is_loaded(rich, tmp_path):
    copy = tmp_path / "m.srseg"
    content = bytearray((rich.path / FILES["a model"]).read_bytes())
    content[-1] ^= 1
    copy.write_bytes(content)
    assert "1 of 2 tensors damaged: head.bias" in damage_in(copy)
    with pytest.raises(StorageError):
        tensor_damage(tmp_path / "none.srseg")
