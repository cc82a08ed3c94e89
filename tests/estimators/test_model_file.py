"""Models in files: what comes back, and what is refused."""

import ast
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from sklearn.exceptions import NotFittedError

import srseg.estimators
from srseg import LabelTable, VolumeSegmenter, load_model
from srseg.errors import MissingFileError, ModelFileError, ParameterError, StorageError
from srseg.estimators import _model_file
from srseg.training import Augmentation, digest


@pytest.fixture(scope="module")
def model(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "boxes.srseg"
    trained.save(path)
    return path


def parts(path):
    """Give a model's weights and header."""
    with safe_open(path, "pt") as file:
        return {k: file.get_tensor(k) for k in file.keys()}, file.metadata()  # noqa: SIM118


def rewritten(path, tmp_path, change=None, **header):
    """Write a model again with another header, sealed with a checksum that fits."""
    weights, metadata = parts(path)
    document = json.loads(metadata["srseg"])
    if change:
        change(document, weights)
    text = json.dumps(document)
    sealed = {
        "format": metadata["format"],
        "srseg": text,
        "sha256": digest(text, weights),
    }
    other = tmp_path / "other.srseg"
    save_file(weights, other, {**sealed, **header})
    return other


def test_a_model_comes_back_with_the_same_bits(trained, model, boxes):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    loaded = load_model(model)
    assert torch.equal(torch.get_rng_state(), before)
    assert isinstance(loaded, VolumeSegmenter)
    assert loaded.get_params() == trained.get_params()
    scan, _ = boxes(6)
    assert loaded.predict_proba(scan).tobytes() == trained.predict_proba(scan).tobytes()
    assert loaded.label_table_.to_dicts() == trained.label_table_.to_dicts()
    np.testing.assert_array_equal(loaded.classes_, trained.classes_)
    assert loaded.history_ == trained.history_
    for name in ("voxel_size_", "n_iter_", "training_samples_", "validation_samples_",
                 "training_subjects_", "stride"):  # fmt: skip
        assert getattr(loaded, name) == getattr(trained, name)
    assert not loaded.network_.training


def test_what_was_loaded_is_saved_the_same(model, tmp_path):
    load_model(model).save(tmp_path / "again.srseg")
    first, again = parts(model), parts(tmp_path / "again.srseg")
    assert all(torch.equal(first[0][k], again[0][k]) for k in first[0])
    one, other = (json.loads(p[1]["srseg"]) for p in (first, again))
    assert {**one, "created": ""} == {**other, "created": ""}


def test_parameters_of_every_kind_come_back(small, make_sample, tmp_path):
    samples = [make_sample(i) for i in range(3)]
    segmenter = small(
        labels=samples[0].labels().table,
        augment=Augmentation(area=(0.9, 1.0), rotation=np.float32(5.0)),
        validation=samples[2:],
        random_state=np.random.RandomState(0),
        clip=[np.float64(1.0), 99],
        learning_rate=np.float32(0.5**8),
        width=np.int64(4),
    ).fit(samples[:2])
    segmenter.save(tmp_path / "m.srseg")
    loaded = load_model(tmp_path / "m.srseg")
    expected = segmenter.get_params()
    # samples and a generator that has moved on are no part of a model
    expected |= {"validation": "auto", "random_state": None, "clip": (1.0, 99.0)}
    assert loaded.get_params() == expected
    assert loaded.validation_samples_ == ["S2"]
    assert loaded.fit(samples).n_iter_ == 3


def test_a_history_with_gaps_is_json(small, boxes, tmp_path):
    """A validation scan with nothing but background has no IoU."""
    from srseg import ArraySample, Volume

    scan, labels = boxes(0)
    table = LabelTable.from_values([0, 1, 2])
    blank = {"WF": Volume.from_array(np.zeros_like(labels), 5.0, table=table)}
    validation = ArraySample("empty", Volume.from_array(scan, 5.0), blank)
    segmenter = small(labels=table, validation=validation).fit([scan], [labels])
    # a network that finds no foreground either
    for record in segmenter.history_.records:
        record["validation_iou"] = float("nan")
    segmenter.save(tmp_path / "m.srseg")
    assert "NaN" not in parts(tmp_path / "m.srseg")[1]["srseg"]
    found = load_model(tmp_path / "m.srseg").history_.records
    assert all(np.isnan(record["validation_iou"]) for record in found)
    assert found[0]["loss"] == segmenter.history_.records[0]["loss"]


def test_a_network_of_smp_is_kept(small, boxes, tmp_path):
    segmenter = small(backbone="smp:unet/resnet18", input_size=32, max_iter=1).fit(*boxes(0))
    segmenter.save(tmp_path / "m.srseg")
    loaded = load_model(tmp_path / "m.srseg")
    scan, _ = boxes(1)
    assert (loaded.stride, loaded.backbone) == (32, "smp:unet/resnet18")
    assert loaded.predict_proba(scan).tobytes() == segmenter.predict_proba(scan).tobytes()


def test_an_earlier_file_is_kept_unless_told_otherwise(trained, tmp_path):
    path = tmp_path / "m.srseg"
    path.write_bytes(b"something else")
    with pytest.raises(StorageError, match="exists already"):
        trained.save(path)
    assert path.read_bytes() == b"something else"
    trained.save(path, overwrite=True)
    assert load_model(path).n_iter_ == 150
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_file_cannot_hold_is_refused(small, boxes, tmp_path):
    def factory(*, n_classes, width, depth):
        network = torch.nn.Conv2d(1, n_classes, 1)
        network.stride, network.reach = 1, 0
        return network

    with pytest.raises(NotFittedError):
        small().save(tmp_path / "m.srseg")
    with pytest.raises(ParameterError, match="register_backbone"):
        small(backbone=factory).fit(*boxes(0)).save(tmp_path / "m.srseg")
    assert not list(tmp_path.iterdir())


def test_any_changed_byte_is_noticed(model, tmp_path):
    """In the weights and in the words: voxel size, label names, values."""
    content = model.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    words = [content.index(b) for b in (b"voxel_size_um", b"class 2", b"max_iter", b"sha256")]
    rng = np.random.default_rng(0)
    places = [0, 9, *[w + 20 for w in words], *rng.integers(8, len(content), 40), len(content) - 1]
    path = tmp_path / "m.srseg"
    for place in places:
        broken = bytearray(content)
        broken[place] ^= 0x04
        path.write_bytes(broken)
        with pytest.raises(ModelFileError, match=r"m\.srseg: "):
            load_model(path)
    assert length < len(content)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_file_is_refused(model, tmp_path, share):
    content = model.read_bytes()
    path = tmp_path / "m.srseg"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelFileError, match=r"m\.srseg: not a readable"):
        load_model(path)


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(MissingFileError, match=r"none\.srseg"):
        load_model(tmp_path / "none.srseg")
    with pytest.raises(MissingFileError):
        load_model(tmp_path)
    text = tmp_path / "notes.txt"
    text.write_text("not a model " * 100)
    with pytest.raises(ModelFileError, match=r"notes\.txt: not a readable"):
        load_model(text)
    foreign = tmp_path / "foreign.safetensors"
    for header in (None, {"format": "pt"}):
        save_file({"weight": torch.zeros(3)}, foreign, header)
        with pytest.raises(ModelFileError, match="a safetensors file, but no srseg model"):
            load_model(foreign)
    pickled = tmp_path / "old.pt"
    torch.save({"weight": torch.zeros(3)}, pickled)
    with pytest.raises(ModelFileError, match=r"old\.pt: not a readable"):
        load_model(pickled)


def change(**values):
    return lambda document, weights: document.update(values)


def drop(name):
    return lambda document, weights: document.pop(name)


def drop_class(document, weights):
    document["label_table"].pop()


def set_parameter(**values):
    return lambda document, weights: document["parameters"].update(values)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (change(version=99, srseg="9.0"), r"written by srseg 9\.0.*upgrade"),
        (drop("version"), "not a readable"),
        (drop("parameters"), "parameters"),
        (drop("label_table"), "label_table"),
        (drop("voxel_size_um"), "voxel_size_um"),
        (change(voxel_size_um=float("nan")), "voxel_size_um is a positive length, found nan"),
        (change(voxel_size_um=-5), "voxel_size_um is a positive length, found -5"),
        (set_parameter(clip=[5, 5]), "clip must be two ascending percentiles"),
        (set_parameter(precision="fp8"), "precision is 'auto', 'fp32' or 'bf16', found 'fp8'"),
        (set_parameter(runtime=[]), "runtime is a name"),
        (lambda document, weights: document["domain"]["grey_values"].pop(), "5 ranges"),
        (drop("history"), "history"),
        (change(label_table=[{"index": 0}]), "label table"),
        (drop_class, "size mismatch|does not fit"),
        (set_parameter(width=5), "does not fit"),
        (set_parameter(brightness=1), "brightness"),
        (set_parameter(backbone="vnet"), "backbone is not known here .*unet.*plugin"),
        (lambda document, weights: weights.popitem(), "does not fit"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(model, tmp_path, edit, words):
    path = rewritten(model, tmp_path, edit)
    with pytest.raises(ModelFileError, match=f"(?s)other.srseg: .*({words})"):
        load_model(path)


@pytest.mark.parametrize("text", ["[]", "7", "not json", "{}"])
def test_a_header_that_is_no_description_is_refused(model, tmp_path, text):
    path = rewritten(model, tmp_path, srseg=text)
    with pytest.raises(ModelFileError, match="not a readable"):
        load_model(path)


def test_a_model_on_samples_of_another_table_is_refused(model, make_sample):
    with pytest.raises(srseg.errors.LabelError, match="another label table"):
        load_model(model).score(make_sample(0))


def test_nothing_is_pickled(model):
    content = model.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    json.loads(content[8 : 8 + length])  # all but this is plain numbers
    numbers = sum(t.numel() * t.element_size() for t in parts(model)[0].values())
    assert len(content) == 8 + length + numbers
    for path in Path(_model_file.__file__).parent.glob("*.py"):
        tree = ast.parse(path.read_text())
        names = {
            n.name for node in ast.walk(tree) if isinstance(node, ast.Import) for n in node.names
        }
        assert not names & {"pickle", "joblib", "dill", "marshal", "shelve"}
        calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        assert not calls & {
            "torch.load",
            "torch.save",
            "pickle.load",
            "pickle.loads",
            "eval",
            "exec",
        }


def most_memory():
    """Give the most memory that this process had, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"width": 20_000}, "more than .* bytes of numbers"),
        ({"width": 10**12}, "does not fit"),
        ({"width": 10**30}, "does not fit"),
        ({"depth": 9}, "more than .* bytes of numbers"),
        ({"depth": 40}, "at most 12"),
        ({"depth": 10**9}, "at most 1000"),
        ({"backbone": "smp:unet/tu-vit_giant_patch14_dinov2"}, "bytes of numbers"),
    ],
    ids=str,
)
def test_a_file_that_says_it_is_huge_takes_no_memory(model, tmp_path, parameters, words):
    """A few kB of weights, and a description of a network of gigabytes, or of none that ends."""
    path = rewritten(model, tmp_path, set_parameter(**parameters))
    load_model(model)
    before = most_memory()
    with pytest.raises(ModelFileError, match=words):
        load_model(path)
    assert most_memory() - before < 600e6


def test_a_file_names_no_device_and_no_path_here(model, tmp_path):
    given = {"device": "cuda:7", "scratch": "/", "checkpoint": "/c", "start_from": "/s",
             "max_memory": 1}  # fmt: skip
    loaded = load_model(rewritten(model, tmp_path, set_parameter(**given)))
    assert loaded.get_params() == load_model(model).get_params()
