"""``srseg align``."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from srseg.cli._options import (
    DatasetOption,
    DryRunOption,
    JsonOption,
    SamplesArgument,
    SelectOption,
    choose_samples,
    open_dataset,
    quantity,
)
from srseg.cli._output import note, say, say_json
from srseg.cli._root import FAILED

if TYPE_CHECKING:
    from srseg.dataset import AlignmentPlan, Dataset, DatasetSample, Reference

EXAMPLE = "Example: srseg align A --upright, then: srseg align --to A"

_POOR = 0.5  # Dice of two implants that hardly lie on each other


def align(
    samples: SamplesArgument = None,
    to: Annotated[
        str | None,
        typer.Option(metavar="SAMPLE|FILE", help="Bring the implants onto that of this sample, "
                     "or of a file with a scan or labels.", show_default=False),
    ] = None,
    upright: Annotated[
        bool, typer.Option("--upright", help="Turn the long axis of each implant onto z; with "
                           "--to SAMPLE, of that sample first.")
    ] = False,
    labels: Annotated[
        str | None,
        typer.Option(metavar="SET", help="The label set that shows the implant (default: the "
                     "scan is searched for its thickest bright object).", show_default=False),
    ] = None,
    implant: Annotated[
        list[str] | None,
        typer.Option(metavar="CLASS", help="A class of the labels that is implant; repeat it for "
                     "others (default: degradation layer and residual material).",
                     show_default=False),
    ] = None,
    voxel_size: Annotated[
        str | None,
        typer.Option(metavar="LENGTH", help="Edge length of a voxel of the file that --to names, "
                     "where it does not state it."),
    ] = None,
    undo: Annotated[
        bool, typer.Option("--undo", help="Take the last alignment back.")
    ] = False,
    figure: Annotated[
        bool, typer.Option("--figure/--no-figure", help="Keep a picture of before and after in "
                           "derivatives/alignment.")
    ] = True,
    select: SelectOption = None,
    dataset: DatasetOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Set implants upright, or bring them onto a reference; labels follow.

    Voxels stay as they are: the rotation and the shift are noted, and working copies are made
    upright from then on. What fails does not stop the rest.
    """
    _check_options(to, upright, labels, implant, voxel_size, undo)
    chosen = choose_samples(dataset, samples, select)
    if undo:
        rows = [_undo(chosen, sample, dry_run) for sample in chosen]
    else:
        job = _Job(open_dataset(dataset), labels, implant, figure, dry_run)
        rows = job.align(chosen, to, upright, quantity(voxel_size, "um", "--voxel-size"))
    failed = sum("failed" in row for row in rows)
    if as_json:
        say_json({"aligned": rows, "failed": failed, "dry_run": dry_run})
    else:
        for row in rows:
            say(_line(row, dry_run))
    if failed:
        raise typer.Exit(FAILED)


class _Job:
    """How samples of one dataset are aligned."""

    def __init__(
        self,
        dataset: "Dataset",
        labels: str | None,
        implant: list[str] | None,
        figure: bool,
        dry_run: bool,
    ) -> None:
        self._dataset = dataset
        self._looking: dict[str, Any] = {"labels": labels, "implant": implant}
        self._figure = figure
        self._dry_run = dry_run

    def align(
        self, chosen: "Dataset", to: str | None, upright: bool, voxel_size: float | None
    ) -> list[dict[str, Any]]:
        """Align samples one by one; the reference itself only where it is set upright."""
        from srseg.dataset import open_reference
        from srseg.progress import task

        rows = []
        place = None if to is None else _place_of(to, self._dataset)
        reference = None
        if isinstance(place, str) and upright:
            plan = self._plan(self._dataset[place], None)
            rows.append(self._carry_out(plan, None))
            reference = plan.as_reference()
        elif place is not None:
            if upright:
                raise typer.BadParameter(
                    f"{to} is a file and stays as it is; name a sample", param_hint="--upright"
                )
            reference = open_reference(self._dataset, place, voxel_size=voxel_size, **self._looking)
        left = [sample for sample in chosen if sample.name != place]
        if not (left or rows):
            note(f"nothing to do: {to} is the reference itself")
        with task("aligning", len(left)) as progress:
            for sample in left:
                rows.append(self._try(sample, reference))
                progress.advance(1, sample.name)
        return rows

    def _plan(self, sample: "DatasetSample", reference: "Reference | None") -> "AlignmentPlan":
        from srseg.dataset import plan_alignment

        return plan_alignment(sample, reference, **self._looking)

    def _try(self, sample: "DatasetSample", reference: "Reference | None") -> dict[str, Any]:
        from srseg.errors import SRSegError

        try:
            return self._carry_out(self._plan(sample, reference), reference)
        except SRSegError as error:
            return {"sample": sample.name, "failed": str(error)}

    def _carry_out(self, plan: "AlignmentPlan", reference: "Reference | None") -> dict[str, Any]:
        from srseg.dataset import apply_alignment

        row = plan.to_dict()
        overlap = plan.measures.get("implant_overlap_after")
        if overlap is not None and overlap < _POOR:
            warnings.warn(
                f"the implant of {plan.sample} hardly lies on that of {plan.to} (Dice "
                f"{overlap:.2f}): look at the picture, and take it back with --undo; --labels may "
                "do better",
                stacklevel=2,
            )
        if not self._dry_run:
            apply_alignment(self._dataset, plan)
            if self._figure:
                row["figure"] = str(_draw(self._dataset, plan, reference))
        return row


def _draw(dataset: "Dataset", plan: "AlignmentPlan", reference: "Reference | None") -> Path:
    from srseg.dataset import alignment_picture
    from srseg.reports import alignment_figure, save_figure

    path = alignment_picture(dataset, plan)
    one = alignment_figure(
        plan.image,
        plan.seen,
        plan.step,
        reference=None if reference is None else (reference.image, reference.seen),
        reference_name=plan.to,
        title=f"{plan.sample}: {_result(plan.to_dict())}",
    )
    save_figure(one, path)
    return path


def _undo(dataset: "Dataset", sample: "DatasetSample", dry_run: bool) -> dict[str, Any]:
    from srseg.dataset import undo_alignment
    from srseg.errors import SRSegError

    try:
        left = undo_alignment(dataset, sample.name, dry_run=dry_run)
    except SRSegError as error:
        return {"sample": sample.name, "failed": str(error)}
    return {"sample": sample.name, "transform": None if left is None else left.to_dict()}


def _place_of(text: str, dataset: "Dataset") -> str | Path:
    """Tell the name of a sample from a file; names have letters, digits and + only."""
    if text in dataset.names or not ("." in text or "/" in text or Path(text).exists()):
        return text
    return Path(text)


def _check_options(
    to: str | None,
    upright: bool,
    labels: str | None,
    implant: list[str] | None,
    voxel_size: str | None,
    undo: bool,
) -> None:
    if undo:
        given = {"--to": to, "--upright": upright or None, "--labels": labels,
                 "--implant": implant, "--voxel-size": voxel_size}  # fmt: skip
        for option, value in given.items():
            if value is not None:
                raise typer.BadParameter("goes not with --undo", param_hint=option)
    elif to is None and not upright:
        raise typer.BadParameter(
            "say what to align to: --upright, or --to SAMPLE or FILE", param_hint="--to"
        )
    if implant and labels is None:
        raise typer.BadParameter("needs --labels, whose classes these are", param_hint="--implant")
    if voxel_size is not None and to is None:
        raise typer.BadParameter(
            "is for a file that --to names; samples know theirs", param_hint="--voxel-size"
        )


def _line(row: dict[str, Any], dry_run: bool) -> str:
    if "failed" in row:
        return f"{row['sample']}: failed: {row['failed']}"
    would = "would be " if dry_run else ""
    if "measures" in row:
        figure = f"; {row['figure']}" if "figure" in row else ""
        return f"{row['sample']}: {would}{_result(row)}{figure}"
    where = "where its file says" if row["transform"] is None else "as it was aligned before"
    return f"{row['sample']}: {would}back {where}"


def _result(row: dict[str, Any]) -> str:
    """Say in words what was done, and how well it fits."""
    found = row["measures"]
    motion = f"turned by {row['angle_deg']:.2f}°"
    if "tilt_deg_before" in found:
        return (
            f"upright, {motion}; tilt {found['tilt_deg_before']:.2f}° before, "
            f"{found['tilt_deg_after']:.2f}° after"
        )
    before, after = (found[f"mutual_information_bits_{when}"] for when in ("before", "after"))
    return (
        f"onto {row['to']}, {motion} and shifted by {row['shift_um']:.1f} µm; overlap of the "
        f"implants (Dice) {found['implant_overlap_before']:.2f} before, "
        f"{found['implant_overlap_after']:.2f} after; mutual information "
        f"{'none' if before is None else f'{before:.2f}'} before, {after:.2f} bits after"
    )
