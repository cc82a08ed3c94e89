"""A small dataset with a little of everything, and the commands that work on it."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from srseg import DEFAULT_LABELS, Dataset, Volume
from srseg.io import write_volume
from srseg.storage._machine import machine_tag

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHAPE = (18, 20, 22)
VOXEL_SIZE = 4.0

# what is made anew from the sidecars
TABLES = ("study/*.tsv", "study/samples.json")


@dataclass(frozen=True)
class Command:
    """A command of ``srseg``, and what it may change of what is there.

    Parameters
    ----------
    words : str
        What is given after ``srseg``, in a folder beside the dataset.
    changes : tuple of str
        Patterns of files that it may change or remove.
    prepare : callable, optional
        Changes the study before.
    again : str, default=""
        What a command says that has nothing to do any more.
    source : str, default=""
        The file that it reads from.
    """

    words: str
    changes: tuple[str, ...] = ()
    prepare: Callable[[Path], None] | None = None
    again: str = ""
    source: str = ""


def _messy(work: Path) -> None:
    """Leave what interrupted writers leave."""
    root = work / "study"
    scans, labels = root / "sub-02" / "micr", root / "derivatives" / "labels"
    (scans / "sub-02_sample-B_XPCT.json").unlink()
    copies = root / "derivatives" / "preprocessed" / "sub-01" / "micr"
    next(copies.glob("*.json")).unlink()
    shutil.copy(
        labels / "sub-01/micr/sub-01_sample-A_desc-WF_rev-1_dseg.json",
        labels / "sub-01/micr/sub-01_sample-A_desc-WF_dseg.json",
    )
    (root / "sub-98" / "micr").mkdir(parents=True)
    (root / f".samples.tsv.999999999-{machine_tag()}abcd.part").write_text("half")
    (root / "participants.tsv").write_text("participant_id\n")


def _moved(work: Path) -> None:
    (work / "far").rename(work / "elsewhere")


_DATASET = "-d ../study"
_PREDICT = "predict ../model.srseg A -d ../study --runtime torch --device cpu"
_TRAIN = (
    "train -d ../study --target WF --width 2 --depth 1 --input-size 16 --max-iter 3 --batch-size 2 "
    "--validation none --voxel-size scan --device cpu --precision fp32 --checkpoint-every 0"
)
_IMPLANT = "--initial-volume 0.001mm^3 --initial-surface 0.05mm^2 --days 56"

COMMANDS: dict[str, Command] = {
    "add a copy": Command(
        f"dataset add ../new.tif --sample N --voxel-size 4um {_DATASET}", TABLES,
        again="registered already", source="new.tif",
    ),
    "add by reference": Command(
        f"dataset add ../new.tif --sample N --voxel-size 4um --by-reference --hash {_DATASET}",
        TABLES, again="registered already", source="new.tif",
    ),
    "label, a new set": Command(
        f"dataset label ../hq.mha --sample A --set HQ {_DATASET}", TABLES, source="hq.mha"
    ),
    "label, a new revision": Command(
        f"dataset label ../hq.mha --sample A --set WF {_DATASET}", TABLES, source="hq.mha"
    ),
    "metadata": Command(
        f"dataset metadata set A alloy=Mg-10Gd {_DATASET}",
        (*TABLES, "study/sub-01/micr/sub-01_sample-A_XPCT.json"),
    ),
    "relocate": Command(
        f"dataset relocate ../far ../elsewhere {_DATASET}",
        (*TABLES, "study/sub-03/micr/sub-03_sample-F_XPCT.json"), _moved,
    ),
    "preprocess": Command("preprocess B -d ../study --scratch ../tmp"),
    "train": Command(f"{_TRAIN} --out wf.srseg", again="exists already"),
    "predict": Command(f"{_PREDICT} --planes 3 --save disagreement,probabilities"),
    "predict, votes in scratch": Command(f"{_PREDICT} --planes 3 --scratch ../tmp"),
    "predict a file": Command(
        "predict ../model.srseg ../new.tif --voxel-size 4um --runtime torch --device cpu "
        "--planes 1 --out labels.h5",
        again="exists already", source="new.tif",
    ),
    "quantify": Command(
        f"quantify A --labels WF {_IMPLANT} --out table.csv -d ../study", again="exists already"
    ),
    "export as OME-TIFF": Command("dataset export ../out --format ome-tif -d ../study"),
    "export as OME-Zarr": Command("dataset export ../out --format ome-zarr -d ../study"),
    "export as NeXus": Command("dataset export ../out --format nexus -d ../study"),
    "report": Command(
        "report A -d ../study --labels WF --out report.html", again="exists already"
    ),
    "repair": Command(
        "dataset check --repair -d ../study",
        (*TABLES, "study/.samples.tsv.*", "study/derivatives/*"), _messy,
    ),
}  # fmt: skip


def build(work: Path, srseg: Callable[[str], None]) -> None:
    """Make the study that all commands begin with.

    Parameters
    ----------
    work : Path
        An empty folder: the dataset, the files beside it, and the folders for what comes.
    srseg : callable
        Runs a command.
    """
    for folder in ("here", "tmp", "out", "far"):
        (work / folder).mkdir()
    dataset = Dataset.create(work / "study")
    for seed, name in enumerate(("A", "B", "far/F", "new")):
        write_volume(work / f"{name}.tif", _scan(seed))
    for seed, name in enumerate(("wf", "wf2", "hq")):
        write_volume(work / f"{name}.mha", _labels(seed))
    for name in "AB":
        dataset.add_sample(work / f"{name}.tif", name=name, voxel_size=VOXEL_SIZE)
        dataset.add_labels(work / "wf.mha", sample=name, label_set="WF")
    dataset.add_sample(work / "far/F.tif", name="F", voxel_size=VOXEL_SIZE, copy=False)
    dataset.add_labels(work / "wf2.mha", sample="A", label_set="WF")
    dataset.select(name="A").preprocess(voxel_size=5.0)
    os.chdir(work / "here")
    srseg(f"{_TRAIN} --out ../model.srseg")
    assert json.loads((work / "study/dataset_description.json").read_text("utf-8"))


def _scan(seed: int) -> Volume:
    voxels = np.random.default_rng(seed).integers(0, 60000, SHAPE, dtype=np.uint16)
    return Volume.from_array(voxels, VOXEL_SIZE)


def _labels(seed: int) -> Volume:
    """Make a rod of metal in its layer, in bone, in nothing; a little of all is turned."""
    rng = np.random.default_rng(seed)
    z, y, x = np.indices(SHAPE)
    away = np.hypot(y - 10, x - 11)
    voxels = np.select([away < 3, away < 5, away < 8], [3, 2, 1], 0).astype(np.uint8)
    wrong = rng.random(SHAPE) < 0.02
    voxels[wrong] = rng.integers(0, 4, int(wrong.sum()), dtype=np.uint8)
    assert z.shape == SHAPE
    return Volume.from_array(voxels, VOXEL_SIZE, table=DEFAULT_LABELS)
