"""``srseg dataset label --from-correction``."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from srseg.cli._output import counted, note, say, say_json, say_table
from srseg.cli.dataset._label_classes import say_classes

if TYPE_CHECKING:
    from srseg.corrections import CorrectionPlan
    from srseg.dataset import Dataset

_OTHERS = {
    "voxel_size": "--voxel-size", "slices": "--slices", "along": "--along", "box": "--box",
    "transform": "--transform", "inverse": "--inverse",
    "override_voxel_size": "--override-voxel-size", "dataset_path": "--dataset-path",
    "axes": "--axes", "follow_links": "--follow-links", "shape": "--shape", "dtype": "--dtype",
    "offset": "--offset",
}  # fmt: skip


_MUCH = 0.02  # of the voxels, changed where nobody was asked to


class Wanted(NamedTuple):
    """What was asked for."""

    sample: str
    label_set: str
    correction: Path | None
    done: list[str] | None
    whole: bool
    mapped: list[str] | None
    manual: bool | None
    sources: list[str] | None
    note: str


def refuse_other_options(ctx: typer.Context) -> None:
    """Refuse options that say what correction.json says."""
    for name, option in _OTHERS.items():
        source = ctx.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter(
                "is not for a correction: correction.json says where its voxels lie",
                param_hint=option,
            )


def add_correction(
    archive: "Dataset", file: Path, wanted: Wanted, *, dry_run: bool, as_json: bool
) -> None:
    """Take a correction back, or say what that would do."""
    from srseg.corrections import plan_correction

    if wanted.whole and wanted.done:
        raise typer.BadParameter("all of the file, or places in it", param_hint="--done")
    plan = plan_correction(
        archive,
        file,
        sample=wanted.sample,
        label_set=wanted.label_set,
        correction=wanted.correction,
        looked_at=wanted.done,
        whole=wanted.whole,
        renamed=_renamed(wanted.mapped),
    )
    _note_crossing(archive, plan, wanted)
    if dry_run:
        counts = {v: n for v, n in enumerate(plan.labels.check_values()) if n}
    else:
        manual = True if wanted.manual is None else wanted.manual
        archive.register_labels(
            plan.labels, manual=manual, sources=_sources(archive, plan, wanted), note=wanted.note
        )
        counts = dict(archive[wanted.sample].revisions(wanted.label_set)[-1].voxels)
    if as_json:
        say_json(
            {
                **plan.to_dict(),
                "voxels": {str(v): n for v, n in counts.items()},
                "dataset": str(archive.path),
                "dry_run": dry_run,
            }
        )
        return
    done = "would take" if dry_run else "took"
    say(
        f"{done} the correction of {plan.correction.label_set} into label set {wanted.label_set} "
        f"of sample {wanted.sample} (revision {plan.labels.revision})"
    )
    _tell(plan)
    say_classes(counts, archive.table)


def _note_crossing(archive: "Dataset", plan: "CorrectionPlan", wanted: Wanted) -> None:
    """Tell of slices across several axes in one label set, from which a network learns little."""
    sample = archive[wanted.sample]
    places = [one.name for one in plan.places]
    if wanted.label_set in sample.label_sets:
        for one in sample.revisions(wanted.label_set):
            places += [place["place"] for place in (one.corrected or {}).get("places", [])]
    axes = sorted({name[0] for name in places if name[0] in "zyx"})
    if len(axes) > 1:
        note(
            f"srseg: label set {wanted.label_set} has corrected slices across {' and '.join(axes)}"
            ": a network learns little from the single lines that they leave in each other. Take "
            "another --set, or correct along one axis"
        )


def _tell(plan: "CorrectionPlan") -> None:
    changes = plan.changes
    say(
        f"  {counted(changes.n_changed, 'voxel')} changed, {changes.confirmed} looked at and "
        "labelled"
    )
    if changes.pairs():
        say_table(("was", "is now", "voxels"), changes.pairs())
    if plan.places:
        say_table(
            ("place", "voxels changed"),
            ((p.name, n) for p, n in zip(plan.places, changes.places, strict=True)),
        )
    if changes.outside:
        share = changes.outside / int(changes.counts.sum())
        much = (
            f". That is {share:.0%} of all: is the file of this sample, and neither turned nor "
            "mirrored? Earlier revisions are kept"
            if share > _MUCH
            else ""
        )
        note(
            f"srseg: {counted(changes.outside, 'voxel')} changed outside of the places that were "
            f"to be corrected; they are labelled too{much}"
        )
    if not changes.n_changed:
        note(
            "srseg: nothing was changed: all is as it was exported, and counts as looked at and "
            "right. Was the corrected file saved under another name?"
        )
    elif plan.untouched:
        note(
            f"srseg: nothing was changed in {', '.join(p.name for p in plan.untouched)}: taken as "
            "looked at and right. If it was not looked at, name those that were, with --done"
        )


def _sources(archive: "Dataset", plan: "CorrectionPlan", wanted: Wanted) -> list[str]:
    sidecar = archive[wanted.sample].labels_sidecar(plan.correction.label_set)
    made_from = f"bids::{sidecar.relative_to(archive.path).as_posix()}"
    return [made_from, *(wanted.sources or [])]


def _renamed(texts: list[str] | None) -> dict[str, str]:
    found = {}
    for text in texts or []:
        # a name may hold an equals sign: what comes after the last one is ours
        name, equals, wanted = (part.strip() for part in text.rpartition("="))
        if not (name and equals and wanted):
            raise typer.BadParameter(
                f"{text!r} does not say which class a segment is; write 'Segment_1=bone'",
                param_hint="--map",
            )
        found[name] = wanted
    return found
