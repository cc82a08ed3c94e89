"""``srseg dataset list``."""

import warnings

from srseg.cli._options import (
    DatasetOption,
    JsonOption,
    SelectOption,
    choose_samples,
    open_dataset,
)
from srseg.cli._output import lengths, note, say_json, say_table, voxels
from srseg.cli.dataset._summary import summary

EXAMPLE = "Example: srseg dataset list --select has=WF --select alloy=Mg-10Gd"


def list_(
    select: SelectOption = None, dataset: DatasetOption = None, as_json: JsonOption = False
) -> None:
    """List the samples."""
    from srseg.errors import SRSegError

    archive = open_dataset(dataset)
    chosen = choose_samples(dataset, None, select) if len(archive) else archive
    rows = []
    for sample in chosen:
        try:
            rows.append(summary(sample))
        except SRSegError as error:
            warnings.warn(f"sample {sample.name} is not listed: {error}", stacklevel=1)
    if as_json:
        say_json({"dataset": str(archive.path), "samples": rows})
        return
    if not len(archive):
        note(f"{archive.path} has no samples yet; add one with: srseg dataset add FILE")
        return
    say_table(
        ("sample", "subject", "voxels", "voxel size", "label sets", "alloy", "beamline", "scan"),
        (
            (
                row["sample"],
                row["subject"],
                voxels(row["shape"]),
                lengths(row["voxel_size_um"]),
                ", ".join(row["label_sets"]),
                row["metadata"].get("alloy"),
                row["metadata"].get("beamline"),
                "copied" if row["copied"] else "by reference",
            )
            for row in rows
        ),
    )
