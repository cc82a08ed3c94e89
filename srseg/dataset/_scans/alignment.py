"""Align samples: look for the motion, then note it in the sidecar; voxels stay as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.dataset._create import describe_derivative
from srseg.dataset._layout import Layout, SampleKey, suggest_label
from srseg.dataset._scans.aligned import KEY, alignment_in
from srseg.dataset._scans.reference import Reference, look
from srseg.dataset._sidecar import read_sample_sidecar, written_now
from srseg.errors import DatasetError, FileFormatError, ParameterError
from srseg.preprocessing import register, tilt_after, upright
from srseg.storage import make_folder, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from srseg.dataset._sample import DatasetSample
    from srseg.dataset._view import SampleView
    from srseg.preprocessing import Survey
    from srseg.volumes import RigidTransform, Volume

DERIVATIVE = "alignment"
"""The folder of the pictures."""

UPRIGHT = "upright"
"""What a sample is aligned to where no reference is named."""


@dataclass(frozen=True, eq=False)
class AlignmentPlan:
    """What aligning a sample would do; nothing is written yet.

    Parameters
    ----------
    sample : str
        Name of the sample.
    subject : str
        Its subject.
    to : str
        ``"upright"``, or the name of the reference.
    now : RigidTransform or None
        The alignment in force.
    step : RigidTransform
        What comes after it: from where the scan lies now to where it will lie.
    measures : dict
        How well it fits before and after.
    record : dict
        What the sidecar will say, who and when apart.
    seen : Survey
        The implant, where it lies now.
    image : Volume
        A coarse copy of the scan around it, where it lies now.
    """

    sample: str
    subject: str
    to: str
    now: RigidTransform | None
    step: RigidTransform
    measures: dict[str, float | None]
    record: dict[str, Any]
    seen: Survey
    image: Volume

    @property
    def alignment(self) -> RigidTransform:
        """From the space of the scan file to where the scan will lie."""
        return self.step if self.now is None else self.now.then(self.step)

    @property
    def shift(self) -> float:
        """How far the centre of the implant moves, in µm."""
        return float(np.linalg.norm(self.step.apply(self.seen.centre) - self.seen.centre))

    def as_reference(self) -> Reference:
        """Give the sample, where it will lie, for others to be aligned to.

        Returns
        -------
        Reference
            The same look at it, moved.
        """
        return Reference(
            self.sample,
            self.seen.moved(self.step),
            self.image.moved(self.step),
            {"Sample": self.sample, KEY: self.alignment.to_dict()},
        )

    def to_dict(self) -> dict[str, Any]:
        """Give the plan as plain data for JSON.

        Returns
        -------
        dict
            Keys ``sample``, ``to``, ``angle_deg`` and ``shift_um`` (of the implant's centre) from
            where it lies now, ``measures``, ``transform`` (from the space of the scan file).
        """
        return {
            "sample": self.sample,
            "to": self.to,
            "angle_deg": self.step.angle,
            "shift_um": self.shift,
            "measures": self.measures,
            "transform": self.alignment.to_dict(),
        }


def plan_alignment(
    sample: DatasetSample,
    reference: Reference | None = None,
    *,
    labels: str | None = None,
    implant: Sequence[str] | None = None,
) -> AlignmentPlan:
    """Find the motion that aligns a sample, from where it lies now.

    Parameters
    ----------
    sample : DatasetSample
        The sample.
    reference : Reference, optional
        What to bring it onto; it is set upright where it is None.
    labels : str, optional
        The label set that shows the implant; the scan is looked at where it is None.
    implant : sequence of str, optional
        The classes that make up the implant.

    Returns
    -------
    AlignmentPlan
        What would be done.

    Raises
    ------
    ParameterError
        If no implant is found, or it has no long axis to set upright.
    GridError
        If the sample cannot be brought to overlap the reference.
    MissingFileError
        If the scan's file is gone.
    """
    now = sample.scan_file.alignment
    seen, image = look(sample, labels, implant)
    if reference is None:
        step = upright(seen)
        to, method = UPRIGHT, "axis of symmetry"
        measures: dict[str, float | None] = {
            "tilt_deg_before": seen.tilt,
            "tilt_deg_after": tilt_after(seen, step),
        }
        source: dict[str, Any] = {}
    else:
        found = register(seen, reference.seen)
        step = found.transform
        to, method, source = reference.name, "mutual information", reference.source
        measures = {
            "mutual_information_bits_before": found.before,
            "mutual_information_bits_after": found.after,
            "implant_overlap_before": found.overlap_before,
            "implant_overlap_after": found.overlap_after,
        }
    record = {
        "To": to,
        **({"Reference": source} if source else {}),
        "Method": method,
        **({} if labels is None else {"Labels": _labels_used(sample, labels)}),
        "Measures": measures,
    }
    return AlignmentPlan(sample.name, sample.subject, to, now, step, measures, record, seen, image)


def apply_alignment(dataset: SampleView, plan: AlignmentPlan) -> None:
    """Carry out what `plan_alignment` found: the scan lies elsewhere, and labels follow.

    Parameters
    ----------
    dataset : Dataset
        Where the sample is.
    plan : AlignmentPlan
        What to do.

    Raises
    ------
    DatasetError
        If the sample was aligned by somebody else meanwhile.
    """
    layout, path = _place(dataset, SampleKey(plan.subject, plan.sample))
    with layout.lock(layout.sample_lock(plan.sample)):
        sidecar = read_sample_sidecar(path)
        if alignment_in(sidecar, path) != plan.now:
            raise DatasetError(
                f"sample {plan.sample} was aligned by somebody else meanwhile; look at it with: "
                f"srseg dataset show {plan.sample}, then align it again"
            )
        record = {"Transform": plan.alignment.to_dict(), **plan.record, **written_now()}
        history = _history(sidecar.get(KEY), path)
        if history:
            record["Previous"] = history
        write_json(path, {**sidecar, KEY: record}, seal=True, edits=True)


def undo_alignment(
    dataset: SampleView, sample: str, *, dry_run: bool = False
) -> RigidTransform | None:
    """Take the last alignment of a sample back; labels follow.

    Parameters
    ----------
    dataset : Dataset
        Where the sample is.
    sample : str
        Its name.
    dry_run : bool, default=False
        Whether to write nothing, and only tell what would be.

    Returns
    -------
    RigidTransform or None
        The alignment that is in force again; None where the scan lies where its file says.

    Raises
    ------
    UnknownNameError
        If there is no such sample.
    ParameterError
        If it is not aligned.
    """
    there = dataset[sample]
    layout, path = _place(dataset, SampleKey(there.subject, there.name))
    with layout.lock(layout.sample_lock(sample)):
        sidecar = read_sample_sidecar(path)
        if sidecar.get(KEY) is None:
            raise ParameterError(f"sample {sample} is not aligned, so there is nothing to undo")
        _, *history = _history(sidecar[KEY], path)
        restored = {name: value for name, value in sidecar.items() if name != KEY}
        if history:
            first, *older = history
            restored[KEY] = {**first, "Previous": older} if older else first
        alignment = alignment_in(restored, path)  # refuses what cannot be read
        if not dry_run:
            write_json(path, restored, seal=True, edits=True)
    return alignment


def alignment_picture(dataset: SampleView, plan: AlignmentPlan) -> Path:
    """Give the place for a picture of an alignment; its folder is made.

    Parameters
    ----------
    dataset : Dataset
        Where the sample is.
    plan : AlignmentPlan
        What the picture shows.

    Returns
    -------
    Path
        The file, in ``derivatives/alignment``; one of that name may be there and be replaced.
    """
    layout, sidecar = _place(dataset, SampleKey(plan.subject, plan.sample))
    describe_derivative(layout, DERIVATIVE, "Pictures of alignments by srseg")
    folder = layout.derivative(DERIVATIVE) / sidecar.parent.relative_to(layout.root)
    make_folder(folder)
    stem = sidecar.name.removesuffix("_XPCT.json")
    to = suggest_label(plan.to)[:64] or "reference"
    return folder / f"{stem}_desc-{to}_XPCT.png"


def _labels_used(sample: DatasetSample, labels: str) -> dict[str, Any]:
    info = sample.labels_info(labels)
    return {"Set": labels, **{k: info[k] for k in ("Revision", "Stamp") if k in info}}


def _place(dataset: SampleView, key: SampleKey) -> tuple[Layout, Path]:
    layout = Layout(dataset.path)
    return layout, layout.scan_sidecar(key)


def _history(record: Any, path: Path) -> list[dict[str, Any]]:
    """List the alignment in force and those before it, the newest first."""
    if record is None:
        return []
    older = record.get("Previous", []) if isinstance(record, dict) else None
    if not (isinstance(older, list) and all(isinstance(one, dict) for one in older)):
        raise FileFormatError(
            f"{path}: {KEY} is not what srseg wrote; take the file from a backup, or take {KEY} "
            "out of it: the scan then lies where its file says"
        )
    return [{name: value for name, value in record.items() if name != "Previous"}, *older]
