"""Where predicted labels go as files, and refusing a place that could not take them."""

from pathlib import Path

import typer

SUFFIXES = {"h5": ".h5", "tif": ".tif", "mha": ".mha", "nrrd": ".nrrd", "seg.nrrd": ".seg.nrrd",
            "nii.gz": ".nii.gz", "ome.zarr": ".ome.zarr"}  # fmt: skip


def refuse_place(path: Path, *, overwrite: bool) -> None:
    """Refuse a file that could not be written, before hours of predicting."""
    from srseg.errors import FileFormatError, StorageError
    from srseg.storage import remove_abandoned

    if not path.name.lower().endswith(tuple(SUFFIXES.values())):
        raise FileFormatError(
            f"{path}: labels are written as {', '.join(SUFFIXES.values())}; name the file so"
        )
    if path.exists() and not overwrite:
        remove_abandoned(path)
        raise StorageError(f"{path} exists already; choose another --out or say --overwrite")
    if not path.absolute().parent.is_dir():
        raise StorageError(f"{path}: the folder {path.parent} does not exist; make it first")


def file_beside(scan: Path, out: Path | None, file_format: str | None) -> Path:
    """Give the file of the labels of a scan file."""
    suffix = SUFFIXES[file_format or "h5"]
    target = out or Path(f"{scan.name.split('.')[0] or scan.name}_labels{suffix}")
    if file_format is not None and not target.name.endswith(suffix):
        raise typer.BadParameter(
            f"{target} does not end in {suffix} as --format {file_format} asks for; leave one "
            "of the two out",
            param_hint="--out",
        )
    return target
