"""Where predicted labels go as files, and refusing a place that could not take them."""

from pathlib import Path

SUFFIXES = {"h5": ".h5", "tif": ".tif", "mha": ".mha", "nrrd": ".nrrd", "seg.nrrd": ".seg.nrrd",
            "nii.gz": ".nii.gz", "ome.zarr": ".ome.zarr"}  # fmt: skip


def refuse_place(path: Path, *, overwrite: bool) -> None:
    """Refuse a file that could not be written, before hours of predicting."""
    from srseg.errors import FileFormatError, StorageError

    if not path.name.lower().endswith(tuple(SUFFIXES.values())):
        raise FileFormatError(
            f"{path}: labels are written as {', '.join(SUFFIXES.values())}; name the file so"
        )
    if path.exists() and not overwrite:
        raise StorageError(f"{path} exists already; choose another --out or say --overwrite")
    if not path.absolute().parent.is_dir():
        raise StorageError(f"{path}: the folder {path.parent} does not exist; make it first")
