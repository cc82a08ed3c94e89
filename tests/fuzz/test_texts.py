"""Whatever people type or a file says: it is taken as it was meant, or refused by name."""

import math
import re
from pathlib import Path

import pytest
import typer
from hypothesis import example, given, settings
from hypothesis import strategies as st

from srseg import Grid, LabelClass, LabelTable
from srseg.cli import _options, _prediction_settings, _quantify_settings, _reading, _train_samples
from srseg.cli._segmenter_options import parse_settings
from srseg.cli._train_augmentation import parse_augmentation
from srseg.cli.dataset._metadata import _read_values
from srseg.dataset import ValueMap, parse_metadata, parse_slices, read_label_table
from srseg.dataset._layout import (
    Layout,
    SampleKey,
    parse_labels_name,
    require_label,
    require_model_name,
    sample_of,
)
from srseg.dataset._tables import label_table_text
from srseg.errors import FileFormatError, LabelError, ParameterError, SRSegError
from srseg.io import Reading
from srseg.planes import resolve_planes
from srseg.preprocessing import Normalisation
from srseg.storage import read_json, write_json
from srseg.units import parse_size
from srseg.volumes import FieldOfView, RigidTransform

# what means something to some reader of text, beside any letter there is
_WORDS = ["=", ",", ":", "/", "x", "-", "+", ".", " ", "0", "1", "9", "100:900", "n/a", "nan",
          "inf", "1e400", "-1", "²", "٣", "µm", "GB", "HQ", "alloy", "[", "(", "{", "'", "\0",
          "\ud800", "../", "9" * 5000, "(" * 300]  # fmt: skip
TEXT = st.one_of(st.text(max_size=30), st.lists(st.sampled_from(_WORDS), max_size=9).map("".join))

PARSERS = {
    "--roi": lambda text: _reading.parse_box(text, "--roi"),
    "--shape": lambda text: _reading.how_to_read(dataset=None, shape=text),
    "--axes": lambda text: _reading.how_to_read(dataset=None, axes=text),
    "--dtype": lambda text: _reading.how_to_read(dataset=None, dtype=text),
    "--slices": parse_slices,
    "--select": lambda text: _options.parse_conditions([text]),
    "--voxel-size": lambda text: _options.quantity(text, "um", "--voxel-size"),
    "--max-memory": parse_size,
    "--part": _prediction_settings.parse_part,
    "--save": lambda text: _prediction_settings.parse_saves([text]),
    "--distance": lambda text: _quantify_settings.parse_distances([text]),
    "--weight": lambda text: _train_samples.parse_weights([text], ["WF", "HQ"]),
    "--vary": lambda text: parse_augmentation(True, [text]),
    "--set": lambda text: parse_settings([f"name={text}"]),
    "--map": lambda text: ValueMap.parse([text]),
    "--planes": lambda text: resolve_planes([text]),
    "dataset metadata set": lambda text: _read_values([text]),
}


@pytest.mark.filterwarnings("ignore:.* is unusual")
@pytest.mark.parametrize("option", PARSERS)
@settings(max_examples=40, deadline=None)
@given(text=TEXT)
@example("9" * 5000)
@example(",".join(["9" * 5000 + ":" + "9" * 5000] * 3))
@example(",".join(["9" * 5000] * 3))
@example("9" * 5000 + "/" + "9" * 5000)
@example("batch=" + "[" * 100_000)
@example("[" * 100_000)
def test_an_option_is_read_or_refused(option, text):
    try:
        PARSERS[option](text)
    except (SRSegError, typer.BadParameter) as error:
        assert str(error)  # noqa: PT017 - both outcomes are fine


@given(st.text(max_size=80))
@example("a\n")
@example("a" * 65)
@example("é")
@example("..")
def test_a_name_is_one_folder_and_is_found_again(name):
    for require in (lambda text: require_label(text, what="the sample"), require_model_name):
        try:
            assert require(name) == name
        except ParameterError as error:
            assert repr(name) in str(error)  # noqa: PT017
        else:
            assert re.fullmatch(r"[0-9a-zA-Z+._-]{1,64}", name)
            assert name not in (".", "..")


LABEL = st.from_regex(r"[0-9a-zA-Z+]{1,64}", fullmatch=True)


@given(LABEL, LABEL, LABEL, st.none() | st.integers(1, 10**6))
def test_what_a_file_is_of_is_read_from_its_name(subject, name, label_set, revision):
    key, layout = SampleKey(subject, name), Layout(Path("d"))
    assert sample_of(layout.scan_sidecar(key).name) == key
    sidecar = layout.labels_sidecar(key, label_set, revision)
    assert parse_labels_name(sidecar.name) == (key, label_set, revision)
    assert sidecar.parts[:3] == ("d", "derivatives", "labels")
    assert ".." not in sidecar.parts


NAME = st.text(max_size=20)


@settings(deadline=None)
@given(st.dictionaries(st.integers(-1, 256), st.tuples(NAME, NAME, NAME), max_size=5))
def test_a_label_table_is_refused_or_comes_back(tmp_path_factory, classes):
    try:
        table = LabelTable(
            LabelClass(value, name, short, colour or "#00ff00")
            for value, (name, short, colour) in classes.items()
        )
    except LabelError:
        return
    path = tmp_path_factory.mktemp("t") / "dseg.tsv"
    path.write_text(label_table_text(table), "utf-8")
    assert read_label_table(path) == table


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda t: t.encode("utf-8", "replace")))
@example(b"index\tname\n" + b"9" * 5000 + b"\ta\n")
@example("index\tname\n٣\ta\n".encode())
@example(b"index\tname\n1\ta\n1\tb\n")
def test_a_table_of_classes_is_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("t") / "dseg.tsv"
    for head in (b"", b"index\tname\tabbreviation\tcolor\n"):
        path.write_bytes(head + content)
        try:
            assert len(read_label_table(path)) > 0
        except (FileFormatError, LabelError) as error:
            assert str(path) in str(error)  # noqa: PT017


NUMBER = st.one_of(
    st.integers(), st.floats(), st.sampled_from([10**400, -(10**400), 2**63, 0, -0.0, 1e-320])
)
PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBER, st.text(max_size=8)),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip

KINDS = {
    Grid: {"shape": [3, 4, 5], "voxel_size_um": [1.0, 2.0, 3.0], "origin_um": [0.0, 0.0, 0.0],
           "direction": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]},
    FieldOfView: {"point_um": [0.0, 1.0, 2.0], "radius_um": 9.0, "axis": [1.0, 0.0, 0.0]},
    RigidTransform: {"rotation": [1, 0, 0, 0, 1, 0, 0, 0, 1], "translation_um": [1, 2, 3]},
    Reading: {"axes": "zyx", "shape": [3, 4, 5], "offset": 0, "dtype": "uint16", "voxel_size": 2.0},
    Normalisation: {"low": 0.0, "high": 1.0, "clip_percentiles": [0.5, 99.9]},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_plain_data_become_what_they_say_or_are_refused(kind, data):
    document = dict(KINDS[kind])
    for _ in range(data.draw(st.integers(0, 2))):
        key = data.draw(st.sampled_from([*document, "unknown"]))
        document[key] = data.draw(PLAIN)
    if document and data.draw(st.booleans()):
        document.pop(data.draw(st.sampled_from(sorted(document))))
    try:
        made = kind.from_dict(document)
    except SRSegError:
        return
    assert kind.from_dict(made.to_dict()) == made


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=9), PLAIN, max_size=6))
def test_a_sidecar_comes_back_or_is_refused(tmp_path_factory, document):
    path = tmp_path_factory.mktemp("s") / "a.json"
    try:
        write_json(path, document)
    except SRSegError:
        assert not path.exists()
        return
    assert read_json(path) == document


def _finite(value):
    return not isinstance(value, float) or math.isfinite(value)


@settings(max_examples=80, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["alloy", "energy", "energy_kev", "projections", "beam", "extra", "sex"])
        | st.text(max_size=9),
        PLAIN,
        max_size=4,
    )
)
def test_metadata_are_taken_or_refused(values):
    try:
        found = parse_metadata(values, where="scan.toml")
    except ParameterError as error:
        assert str(error).startswith("scan.toml: ")  # noqa: PT017
        return
    assert all(_finite(value) for value in found.values())
    again = {k: v for k, v in found.items() if k in values}
    assert parse_metadata(again) == again
