"""Export scan and labels to the program in which they are corrected."""

from __future__ import annotations

import errno
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from srseg.corrections._guide import guide, markups
from srseg.corrections._pieces import boxes_around, whole_box
from srseg.corrections._record import RECORD, Correction, Piece
from srseg.corrections._scan import scan_on
from srseg.errors import GridError, ParameterError, StorageError
from srseg.io import write_volume
from srseg.storage import atomic_folder, require_free_space, write_json, write_text
from srseg.volumes import Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.corrections._suggestion import Suggestion
    from srseg.dataset import Dataset

Form = Literal["slicer", "napari", "tiff"]


class _Suffixes(NamedTuple):
    scan: str
    labels: str


FORMS: dict[str, _Suffixes] = {
    "slicer": _Suffixes(".nrrd", ".seg.nrrd"),
    # an .ome.tif that napari saves takes slices for channels
    "napari": _Suffixes(".tif", ".tif"),
    "tiff": _Suffixes(".tif", ".tif"),
}
_GUIDE = "README.txt"


def export_correction(
    dataset: Dataset,
    sample: str,
    label_set: str,
    suggestions: Sequence[Suggestion],
    folder: Path | str,
    *,
    form: Form = "slicer",
    around: int | None = None,
) -> Path:
    """Export scan and labels to the program in which they are corrected.

    The scan is brought onto the voxels of the labels. Beside the files lies ``correction.json``,
    by which `plan_correction` takes them back, and a ``README.txt`` that says what to look at.
    Voxels are read and written slab by slab.

    Parameters
    ----------
    dataset : Dataset
        The dataset.
    sample : str
        Name of the sample.
    label_set : str
        Name of the label set, or of the prediction, that is to be corrected.
    suggestions : sequence of Suggestion
        The slices and boxes that are to be corrected, as `suggest_slices` and `suggest_boxes` give
        them.
    folder : path
        The folder to make.
    form : {"slicer", "napari", "tiff"}, default="slicer"
        For 3D Slicer (``.nrrd`` and ``.seg.nrrd``, with the places as points); or TIFF, with what
        to do in napari, or in any program.
    around : int, optional
        Export only what lies up to so many voxels around the suggestions, each in files of its own
        where they do not touch; the whole sample where it is None.

    Returns
    -------
    Path
        The file ``correction.json``.

    Raises
    ------
    ParameterError
        If nothing is suggested, `around` is negative, or there is no such form.
    GridError
        If a suggestion does not lie in the labels, or the scan does not cover them.
    UnknownNameError
        If there is no such sample or label set.
    StorageError
        If the folder exists, or there is too little space.

    Examples
    --------
    >>> from srseg import Dataset
    >>> dataset = Dataset("mgbone")  # doctest: +SKIP
    >>> chance = uncertainty(dataset["A"], "srseg-wf")  # doctest: +SKIP
    >>> slices = suggest_slices(chance, 5)  # doctest: +SKIP
    >>> export_correction(dataset, "A", "srseg-wf", slices, "to-correct")  # doctest: +SKIP
    """
    if form not in FORMS:
        raise ParameterError(f"the form must be one of {', '.join(FORMS)}, found {form!r}")
    if not suggestions:
        raise ParameterError("there is nothing to correct: give at least one slice or box")
    if around is not None and around < 0:
        raise ParameterError(f"around must be a number of voxels, found {around}")
    target = Path(folder)
    if target.exists():
        raise StorageError(
            errno.EEXIST,
            f"{target} exists already and is kept, because there may be corrections in it; name "
            "another folder",
        )
    one = dataset[sample]
    labels = one.labels(label_set)
    for suggestion in suggestions:
        _require_inside(suggestion, labels)
    described = one.labels_info(label_set)
    shape = labels.shape
    boxes = [("", whole_box(shape))] if around is None else boxes_around(suggestions, shape, around)
    suffixes = FORMS[form]
    stems = [f"{sample}_{name}" if name else sample for name, _ in boxes]
    correction = Correction(
        folder=target,
        identifier=secrets.token_hex(8),
        sample=sample,
        label_set=_full_name(one.predictions, label_set),
        revision=described.get("Revision"),
        stamp=described["Stamp"],
        grid=labels.grid,
        form=form,
        suggestions=tuple(suggestions),
        pieces=tuple(
            Piece(f"{stem}_labels{suffixes.labels}", f"{stem}_scan{suffixes.scan}", box)
            for stem, (_, box) in zip(stems, boxes, strict=True)
        ),
    )
    scan = scan_on(one.scan, labels.grid)
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_folder(target) as temporary:
        for stem, piece in zip(stems, correction.pieces, strict=True):
            part = labels.cropped(piece.box)
            grey = scan.cropped(piece.box)
            require_free_space(
                target.parent, part.nbytes + grey.nbytes + (4 << 20), f"the export to {target}"
            )
            write_volume(temporary / piece.scan, Volume(grey.source, grey.grid))
            write_volume(temporary / piece.labels, part)
            if form == "slicer":
                points = markups(correction, piece, labels.grid)
                write_text(temporary / f"{stem}_places.mrk.json", points)
        assert labels.table is not None  # noqa: S101 - labels of a dataset have one
        write_text(temporary / _GUIDE, guide(correction, labels.table, dataset.title))
        write_json(temporary / RECORD, correction.to_dict())
        one.scan_file.require_unchanged()
    return target / RECORD


def _require_inside(one: Suggestion, labels: Volume) -> None:
    try:
        labels.grid.cropped(one.box)
    except GridError as error:
        raise GridError(f"the {one.kind} {one.name}: {error}") from None


def _full_name(predictions: Sequence[str], label_set: str) -> str:
    """Give the full name of a prediction that was named by its model."""
    found = [p for p in predictions if label_set == p.partition("/")[0]]
    return found[0] if len(found) == 1 else label_set
