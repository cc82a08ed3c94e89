"""Sidecars of a dataset, and its description: JSON of any kind, and paths that lead elsewhere."""

from __future__ import annotations

import json
import os
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from cases import Cases

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def read_dataset(path: Path) -> str:
    """Open the dataset of a sidecar, its scan and its labels, and check it."""
    from srseg import Dataset
    from srseg.errors import SRSegError

    root = next(p for p in path.parents if (p / "README").exists())
    dataset = Dataset(root)
    try:
        sample = dataset["A"]
        sample.scan.read()
        sample.labels("WF").read()
        assert [s.metadata for s in dataset]
    except SRSegError as error:
        # who checks the dataset is told as well
        problems = [str(problem) for problem in dataset.check()]
        if not any(path.name in problem or str(root) in problem for problem in problems):
            raise AssertionError(f"check finds nothing: {problems}") from error
        raise
    return "read: scan and labels"


JSON = Cases("dataset sidecar", read_dataset)
CASES = JSON.found
SCAN = "sub-01/micr/sub-01_sample-A_XPCT.json"
LABELS = "derivatives/labels/sub-01/micr/sub-01_sample-A_desc-WF_dseg.json"


def warm_up(folder: Path) -> None:
    """Make a dataset, and read it."""
    path = study(folder)
    assert "read" in read_dataset(path)


def study(folder: Path) -> Path:
    """Make a dataset with one sample and one label set; give the sidecar of the sample."""
    from srseg import DEFAULT_LABELS, Dataset, Volume
    from srseg.io import write_volume

    voxels = np.arange(60, dtype=np.uint16).reshape(3, 4, 5)
    source = folder.parent / "source"
    source.mkdir()
    write_volume(source / "A.mha", Volume.from_array(voxels, 5.0))
    labels = Volume.from_array((voxels % 4).astype(np.uint8), 5.0, table=DEFAULT_LABELS)
    write_volume(source / "labels.mha", labels)
    dataset = Dataset.create(folder / "d")
    dataset.add_sample(source / "A.mha", name="A")
    dataset.add_labels(source / "labels.mha", sample="A", label_set="WF")
    return folder / "d" / SCAN


def _text(text: str | bytes, which: str, folder: Path) -> Path:
    study(folder)
    path = folder / "d" / which
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


TEXTS: dict[str, str | bytes] = {
    "empty": "",
    "nested 100,000 deep": "[" * 100_000,
    "objects nested 100,000 deep": '{"a":' * 100_000,
    "a number of 5,000 digits": f'{{"a": {"9" * 5000}}}',
    "NaN": '{"a": NaN}',
    "Infinity": '{"a": Infinity}',
    "NUL": b'{"a": "\0"}',
    "NUL only": bytes(4000),
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "no UTF-8": b'{"a": "\xff\xfe"}',
    "half a surrogate": '{"a": "\\ud800"}',
    "a list": "[1, 2, 3]",
    "a text": '"sidecar"',
    "cut off": '{"Name": "mgb',
    "another object": '{"Hello": {"World": 1}}',
}
for _name, _content in TEXTS.items():
    JSON.add(f"{_name}, of a sample", partial(_text, _content, SCAN))
    JSON.add(f"{_name}, of labels", partial(_text, _content, LABELS))


@JSON("300 MB of nothing")
def _(folder: Path) -> Path:
    path = study(folder)
    with path.open("r+b") as file:
        file.truncate(300 << 20)
    return path


def _changed(change: Callable[[dict[str, Any], Path], None], which: str, folder: Path) -> Path:
    study(folder)
    path = folder / "d" / which
    document = json.loads(path.read_text("utf-8"))
    change(document, folder)
    path.write_text(json.dumps(document), "utf-8")
    return path


def _set(keys: str, value: Any, document: dict[str, Any], folder: Path) -> None:
    *way, last = keys.split("/")
    for key in way:
        document = document[key]
    document[last] = value(folder) if callable(value) else value


CHANGES: dict[str, tuple[str, Any]] = {
    "a copied scan at `../../../outside`": ("Scan/File", "../../../../outside/secret.h5"),
    "a copied scan at /etc/passwd": ("Scan/File", "/etc/passwd"),
    "a copied scan with NUL in its name": ("Scan/File", "a\0b.h5"),
    "a copied scan that is a number": ("Scan/File", 7),
    "a copied scan with a name of 100,000 letters": ("Scan/File", "x" * 100_000),
    "a scan that is a list": ("Scan", [1, 2]),
    "a stamp of texts": ("Scan/Stamp", {"size": "a", "mtime_ns": "b", "header_sha256": 3}),
    "a stamp of 10³⁰⁰ bytes": ("Scan/Stamp/size", 1e300),
    "parts that are a number": ("Scan/Parts", 5),
    "a reading of another kind": ("Scan/Reading", {"evil": True}),
    "10¹⁸ voxels": ("Grid/shape", [10**6] * 3),
    "another number of voxels than the scan has": ("Grid/shape", [3, 4, 6]),
    "another voxel size than the scan has": ("Grid/voxel_size_um", [5, 5, 2]),
    "another origin than the scan has": ("Grid/origin_um", [0, 0, 500]),
    "another direction than the scan has": ("Grid/direction", [0, 1, 0, 1, 0, 0, 0, 0, -1]),
    "a negative size": ("Grid/shape", [3, -4, 5]),
    "a size of texts": ("Grid/shape", ["a", "b", "c"]),
    "a negative voxel size": ("Grid/voxel_size_um", [-1, -1, -1]),
    "a voxel size of zero": ("Grid/voxel_size_um", [0, 0, 0]),
    "a voxel size of 10³⁰⁸": ("Grid/voxel_size_um", [1e308] * 3),
    "a region outside of the scan": ("Roi", [[0, 99], [0, 4], [0, 5]]),
    "a region that runs backwards": ("Roi", [[3, 0], [0, 4], [0, 5]]),
    "a field of view of zeros": ("FieldOfView", {"kind": "evil"}),
    "an alignment that stretches": ("Alignment", {"rotation": [2.0] * 9}),
    "metadata that are a list": ("Specimen", [1]),
    "a version that is not there yet": ("SchemaVersion", "99.0"),
    "a version that is a list": ("SchemaVersion", []),
}
for _name, (_keys, _value) in CHANGES.items():
    JSON.add(_name, partial(_changed, partial(_set, _keys, _value), SCAN))


def _reference(target: Callable[[Path], str], folder: Path) -> Path:
    def change(document: dict[str, Any], folder: Path) -> None:
        document["Scan"].update(File=target(folder), Copied=False)

    return _changed(change, SCAN, folder)


JSON.add("a scan by reference to /dev/zero", partial(_reference, lambda _: "/dev/zero"))


@JSON("a scan by reference to a pipe")
def _(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.h5")
    return _reference(lambda f: str(f / "pipe.h5"), folder)


LABEL_CHANGES: dict[str, tuple[str, Any]] = {
    "a stamp that is a text": ("Stamp", "x"),
    "a stamp of NaN": ("Stamp/size", "NaN"),
    "another number of voxels than they have": ("Grid/shape", [3, 4, 6]),
    "another voxel size than they have": ("Grid/voxel_size_um", [5, 5, 2]),
    "a grid that is a text": ("Grid", "x"),
}
for _name, (_keys, _value) in LABEL_CHANGES.items():
    JSON.add(f"{_name}, of labels", partial(_changed, partial(_set, _keys, _value), LABELS))
