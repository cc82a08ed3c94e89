"""Where things lie in a dataset folder, and what they may be called.

The names are those of BIDS microscopy: ``sub-01/micr/sub-01_sample-A_XPCT.json``. Which samples and
label sets there are is read from the names of the sidecars, without opening one.
"""

from __future__ import annotations

import re
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from srseg.dataset._listing import micr_files, micr_names, names_in
from srseg.dataset._waiting import Waiting
from srseg.errors import InUseError, MissingFileError, ParameterError, StorageError
from srseg.io import MAPS
from srseg.storage import locked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DESCRIPTION = "dataset_description.json"
LABEL_TABLE = "dseg.tsv"
LABELS = "labels"
PREPARED = "preprocessed"
PREDICTION_PREFIX = "srseg-"

# a copy of 60 GB from a slow disk takes hours, and who wants to give up sooner presses Ctrl-C
_LONGEST = 24 * 3600.0  # s

_LABEL = re.compile(r"[0-9a-zA-Z+]{1,64}")
_MODEL = re.compile(r"[0-9a-zA-Z+][0-9a-zA-Z+._-]{0,63}")
_SCAN = re.compile(r"sub-([0-9a-zA-Z+]+)_sample-([0-9a-zA-Z+]+)_XPCT\.json")
_OF_SAMPLE = re.compile(r"\.?sub-([0-9a-zA-Z+]+)_sample-([0-9a-zA-Z+]+)_.+")
_MAP = re.compile(
    r"sub-([0-9a-zA-Z+]+)_sample-([0-9a-zA-Z+]+)_desc-([0-9a-zA-Z+]+)_(?:"
    + "|".join(one.suffix for one in MAPS.values())
    + r")\.(?:json|h5)"
)
_DSEG = re.compile(
    r"sub-([0-9a-zA-Z+]+)_sample-([0-9a-zA-Z+]+)_desc-([0-9a-zA-Z+]+)(?:_rev-([0-9]+))?_dseg\.(?:json|h5)"
)


class SampleKey(NamedTuple):
    """What identifies a sample in the folder."""

    subject: str
    name: str

    @property
    def stem(self) -> str:
        """The beginning of every file name of the sample."""
        return f"sub-{self.subject}_sample-{self.name}"


@dataclass(frozen=True)
class Layout:
    """The paths below the root of a dataset.

    Parameters
    ----------
    root : Path
        The dataset folder.
    """

    root: Path

    @property
    def description(self) -> Path:
        """The file that makes the folder a dataset."""
        return self.root / DESCRIPTION

    @property
    def label_table(self) -> Path:
        """The classes of the study."""
        return self.root / LABEL_TABLE

    @property
    def private(self) -> Path:
        """Where srseg keeps its locks."""
        return self.root / ".srseg"

    @contextmanager
    def lock(self, what: str, timeout: float = _LONGEST) -> Iterator[None]:
        """Hold a lock of this dataset; upper and lower case are one, as on some file systems.

        Who has to wait is told for whom.

        Raises
        ------
        InUseError
            If another process still holds it after `timeout` seconds.
        """
        try:
            self.private.mkdir(exist_ok=True)
        except OSError as error:
            raise StorageError(
                error.errno, f"cannot write in the dataset {self.root}: {error.strerror}"
            ) from error
        with ExitStack() as held:
            with Waiting(what) as waiting:
                held.enter_context(locked(self.private / what.casefold(), timeout, waiting))
            yield

    def in_use(self, what: str) -> bool:
        """Tell whether a process holds a lock of this dataset now."""
        path = self.private / what.casefold()
        if not path.with_name(f".{path.name}.lock").exists():
            return False
        try:
            with locked(path, timeout=0):
                return False
        except InUseError:
            return True
        except (StorageError, MissingFileError):
            return False  # where nothing can be written, nobody writes

    def samples_in_use(self) -> list[str]:
        """List the locks of samples that a process holds now."""
        locks = (p.name[1:-5] for p in sorted(self.private.glob(".sample-*.lock")))
        return [lock for lock in locks if self.in_use(lock)]

    @staticmethod
    def sample_lock(name: str) -> str:
        """Name the lock of a sample's scan and sidecar."""
        return f"sample-{name}"

    @staticmethod
    def labels_lock(key: SampleKey, label_set: str) -> str:
        """Name the lock of a label set with its revisions."""
        return f"labels-{key.name}-{label_set}"

    @staticmethod
    def prepared_lock(key: SampleKey) -> str:
        """Name the lock of a sample's working copies."""
        return f"prepared-{key.name}"

    @staticmethod
    def prediction_lock(key: SampleKey, model: str, description: str) -> str:
        """Name the lock of what a model predicted."""
        return f"{PREDICTION_PREFIX}{model}-{key.name}-{description}"

    def scan_sidecar(self, key: SampleKey) -> Path:
        """Give the sidecar of a sample: where it exists, the sample exists."""
        return self._micr(self.root, key) / f"{key.stem}_XPCT.json"

    def derivative(self, name: str) -> Path:
        """Give the folder of a derivative."""
        return self.root / "derivatives" / name

    def labels_sidecar(self, key: SampleKey, label_set: str, revision: int | None = None) -> Path:
        """Give the sidecar of a label set: the newest, or an older revision that was kept."""
        kept = "" if revision is None else f"_rev-{revision}"
        folder = self._micr(self.derivative(LABELS), key)
        return folder / f"{key.stem}_desc-{label_set}{kept}_dseg.json"

    def prepared_sidecar(self, key: SampleKey, voxel_size: float) -> Path:
        """Give the sidecar of a working copy of one voxel size."""
        resolution = re.sub(r"[^0-9a-zA-Z+]", "", f"{voxel_size:g}um".replace(".", "p"))
        return self._micr(self.derivative(PREPARED), key) / f"{key.stem}_res-{resolution}_XPCT.json"

    def prediction_sidecar(self, key: SampleKey, model: str, description: str) -> Path:
        """Give the sidecar of what a model predicted."""
        folder = self._micr(self.derivative(PREDICTION_PREFIX + model), key)
        return folder / f"{key.stem}_desc-{description}_dseg.json"

    def samples(self) -> list[SampleKey]:
        """List the samples that are registered, in the order of subject and name."""
        found = (_SCAN.fullmatch(name) for _, name in micr_names(self.root))
        return sorted(SampleKey(m[1], m[2]) for m in found if m)

    def label_sets(self, derivative: str = LABELS) -> dict[SampleKey, list[str]]:
        """List the label sets (or one model's predictions) of every sample."""
        sets: dict[SampleKey, list[str]] = {}
        for _, name in micr_names(self.derivative(derivative)):
            match = _DSEG.fullmatch(name)
            if match and match[4] is None and name.endswith(".json"):
                sets.setdefault(SampleKey(match[1], match[2]), []).append(match[3])
        return sets

    def label_sets_of(self, key: SampleKey, derivative: str = LABELS) -> list[str]:
        """List the label sets (or one model's predictions) of one sample."""
        folder = self._micr(self.derivative(derivative), key)
        names = (n for n in names_in(folder) if n.startswith(key.stem) and n.endswith(".json"))
        matches = (_DSEG.fullmatch(name) for name in names)
        return sorted(m[3] for m in matches if m and m[2] == key.name and m[4] is None)

    def label_files(self) -> list[tuple[SampleKey, str]]:
        """List the label sets of which any file is there: sidecar, voxels, or an older revision."""
        matches = (_DSEG.fullmatch(name) for _, name in micr_names(self.derivative(LABELS)))
        return sorted({(SampleKey(m[1], m[2]), m[3]) for m in matches if m})

    def revisions(self, key: SampleKey, label_set: str) -> list[int]:
        """List the older revisions of a label set of which a sidecar or voxels were kept."""
        folder = self._micr(self.derivative(LABELS), key)
        matches = (_DSEG.fullmatch(name) for name in names_in(folder))
        wanted = (key.name, label_set)
        return sorted({int(m[4]) for m in matches if m and (m[2], m[3]) == wanted and m[4]})

    def prediction_files(self) -> list[Path]:
        """List the sidecars of predictions of which any file is there, also where they are not."""
        found = set()
        for model in self.models():
            for path in micr_files(self.derivative(PREDICTION_PREFIX + model)):
                parsed = parse_labels_name(path.name) or parse_map_name(path.name)
                if parsed is not None:
                    found.add(self.prediction_sidecar(parsed[0], model, parsed[1]))
        return sorted(found)

    def voxel_files(self) -> list[Path]:
        """List the files with voxels that srseg wrote: scans, labels, working copies, predictions.

        What else lies in the folder, such as the sources of scans, is not among them.
        """
        predictions = [PREDICTION_PREFIX + model for model in self.models()]
        predicted = ("_dseg.h5", *(f"_{one.suffix}.h5" for one in MAPS.values()))
        places: list[tuple[Path, str | tuple[str, ...]]] = [
            (self.root, "_XPCT.h5"),
            (self.derivative(LABELS), "_dseg.h5"),
            (self.derivative(PREPARED), "_XPCT.h5"),
            *((self.derivative(name), predicted) for name in predictions),
        ]
        return [p for base, end in places for p in micr_files(base) if p.name.endswith(end)]

    def models(self) -> list[str]:
        """List the models whose predictions are kept."""
        folders = (self.root / "derivatives").glob(f"{PREDICTION_PREFIX}*/")
        return sorted(f.name.removeprefix(PREDICTION_PREFIX) for f in folders)

    @staticmethod
    def _micr(base: Path, key: SampleKey) -> Path:
        return base / f"sub-{key.subject}" / "micr"


def sample_of(name: str) -> SampleKey | None:
    """Read from the name of any file of a sample which sample it is of."""
    match = _OF_SAMPLE.fullmatch(name)
    return None if match is None else SampleKey(match[1], match[2])


def parse_labels_name(name: str) -> tuple[SampleKey, str, int | None] | None:
    """Read sample, label set and kept revision from the name of a label sidecar."""
    match = _DSEG.fullmatch(name)
    if match is None:
        return None
    return SampleKey(match[1], match[2]), match[3], int(match[4]) if match[4] else None


def parse_map_name(name: str) -> tuple[SampleKey, str] | None:
    """Read sample and description from the name of what was saved beside predicted labels."""
    match = _MAP.fullmatch(name)
    return None if match is None else (SampleKey(match[1], match[2]), match[3])


def suggest_label(text: str) -> str:
    """Leave out of a text what may not stand in a BIDS label."""
    return re.sub(r"[^0-9a-zA-Z+]", "", text)


def require_label(text: str, *, what: str) -> str:
    """Refuse what may not stand in a BIDS label, with a suggestion.

    Raises
    ------
    ParameterError
        If it holds anything but ASCII letters, digits and ``+``, or more than 64 of them.
    """
    if _LABEL.fullmatch(text):
        return text
    suggestion = suggest_label(text)[:64]
    advice = f"; for example {suggestion!r}" if suggestion else ""
    raise ParameterError(
        f"{what} {text!r} may hold only the letters a-z and A-Z, digits and '+', at most 64 (it "
        f"becomes part of a BIDS file name){advice}"
    )


def require_model_name(text: str) -> str:
    """Refuse a model name that cannot be the end of a folder's name.

    Raises
    ------
    ParameterError
        If it holds anything but ASCII letters, digits, ``+``, ``.``, ``_`` and ``-``, or more than
        64 of them.
    """
    if _MODEL.fullmatch(text):
        return text
    raise ParameterError(
        f"the model name {text!r} becomes part of a folder name: only the letters a-z and A-Z, "
        "digits and '+', '.', '_', '-' are allowed, at most 64, and it begins with a letter or a "
        "digit"
    )
