"""Write predicted labels, and what may be saved with them, in one pass and all or nothing."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import FileFormatError, ParameterError
from srseg.io._format import format_of, require_utf8
from srseg.io._hdf5.write import written
from srseg.io._hdf5.write_channels import written_channels
from srseg.io._maps import MAPS, STEPS, maps_of
from srseg.io._prediction_sink import LABELS, PredictionSink
from srseg.io._provenance import provenance_json
from srseg.io._write import write_volume
from srseg.io._zarr.sink import zarr_sinks
from srseg.io._zarr.write import SUFFIX as ZARR
from srseg.storage import atomic_folder, atomic_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from srseg.io._prediction_sink import SlabSink
    from srseg.labels import LabelTable
    from srseg.volumes import Grid, Volume


def prediction_files(path: Path | str, saves: Iterable[str] = ()) -> dict[str, Path]:
    """Tell which files `create_prediction` makes.

    Parameters
    ----------
    path : path
        The file of the labels.
    saves : iterable of {"probabilities", "disagreement"}, default=()
        What is saved with them.

    Returns
    -------
    dict of str to Path
        ``labels``, and by the names of the maps the files beside it.

    Raises
    ------
    FileFormatError
        If the labels' format cannot hold maps.
    ParameterError
        If something else is to be saved.

    Examples
    --------
    >>> from srseg.io import prediction_files
    >>> [file.name for file in prediction_files("A_labels.h5", ["disagreement"]).values()]
    ['A_labels.h5', 'A_labels_entropy.h5', 'A_labels_margin.h5']
    """
    path = require_utf8(path)
    maps = maps_of(saves)
    if not maps:
        return {LABELS: path}
    suffix = path.name[-len(ZARR) :] if _is_zarr(path) else path.suffix
    if not _is_zarr(path) and format_of(path).name != "HDF5":
        raise FileFormatError(
            f"{path}: {' and '.join(one.name for one in maps)} are saved beside labels that are "
            f".h5 or {ZARR} only; name the file so, or save the labels alone"
        )
    stem = path.name.removesuffix(suffix)
    beside = {one.name: path.with_name(f"{stem}_{one.suffix}{suffix}") for one in maps}
    return {LABELS: path, **beside}


@contextmanager
def create_prediction(
    path: Path | str,
    grid: Grid,
    table: LabelTable,
    *,
    saves: Iterable[str] = (),
    maps_grid: Grid | None = None,
    provenance: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Iterator[PredictionSink]:
    """Create the files of a prediction, slab by slab: HDF5, or OME-Zarr 0.5 with all its levels.

    The files are put into their places when all of them are whole, the labels last. Memory holds 64
    slices of each.

    Parameters
    ----------
    path : path
        The file of the labels: ``.h5`` or ``.ome.zarr``; the others lie beside it, see
        `prediction_files`.
    grid : Grid
        Where the labels lie.
    table : LabelTable
        The classes.
    saves : iterable of {"probabilities", "disagreement"}, default=()
        What is saved with the labels: the probability of each class; entropy and margin. All are
        kept in 255ths, as uint8.
    maps_grid : Grid, optional
        Where that lies; on the grid of the labels where it is None.
    provenance : mapping, optional
        How it was made: plain data.
    overwrite : bool, default=False
        Whether files that exist may be replaced.

    Yields
    ------
    PredictionSink
        Takes the voxels.

    Raises
    ------
    FileFormatError
        If the name is not that of an HDF5 file or an OME-Zarr.
    StorageError
        If a file exists and may not be replaced, there is too little space, or slices are missing
        at the end.

    Examples
    --------
    >>> import numpy as np
    >>> from srseg import DEFAULT_LABELS, Grid
    >>> from srseg.io import create_prediction, open_probabilities, open_volume
    >>> path = getfixture("tmp_path") / "labels.h5"
    >>> grid = Grid((2, 3, 4), (5.0, 5.0, 5.0))
    >>> with create_prediction(path, grid, DEFAULT_LABELS, saves=["probabilities"]) as sink:
    ...     sink.labels[0:2] = np.ones((2, 3, 4), np.uint8)
    ...     sink.probabilities[0:2] = np.full((4, 2, 3, 4), 0.25, np.float32)
    >>> open_volume(path, labels=True).read().max()
    np.uint8(1)
    >>> bone = open_probabilities(path.with_name("labels_probseg.h5"))["bone"]
    >>> f"{bone.read().mean():.3f}"
    '0.251'
    """
    files = prediction_files(path, saves)
    path = files[LABELS]
    if not _is_zarr(path) and format_of(path).name != "HDF5":
        raise FileFormatError(
            f"{path}: labels are written slab by slab as .h5 or {ZARR}; for other formats there is "
            "write_volume"
        )
    place = atomic_folder if _is_zarr(path) else atomic_path
    with ExitStack() as places:
        # the first that is entered is the last that is put into its place
        asides = {
            name: places.enter_context(place(file, overwrite=overwrite))
            for name, file in files.items()
        }
        with written_prediction(
            asides, grid, table, maps_grid=maps_grid, zarr=_is_zarr(path),
            titles={name: file.name for name, file in files.items()},
            provenance={name: _said(name, table, provenance) for name in files},
        ) as sink:  # fmt: skip
            yield sink


@contextmanager
def written_prediction(
    paths: Mapping[str, Path],
    grid: Grid,
    table: LabelTable,
    *,
    titles: Mapping[str, str],
    provenance: Mapping[str, Mapping[str, Any] | None],
    maps_grid: Grid | None = None,
    zarr: bool = False,
) -> Iterator[PredictionSink]:
    """Write the files of a prediction themselves, without care for their places.

    Parameters
    ----------
    paths : mapping of str to Path
        The file of the ``labels``, and of the maps by name; an OME-Zarr is an empty folder.
    grid : Grid
        Where the labels lie.
    table : LabelTable
        The classes.
    titles : mapping of str to str
        What the files are called.
    provenance : mapping of str to mapping
        What each file says of how it was made.
    maps_grid : Grid, optional
        Where the maps lie; on the grid of the labels where it is None.
    zarr : bool, default=False
        Whether they are OME-Zarr; HDF5 otherwise.

    Yields
    ------
    PredictionSink
        Takes the voxels; when the block ends, all files are whole.
    """
    sinks: dict[str, Sequence[SlabSink]] = {}
    grids = {name: grid if name == LABELS else maps_grid or grid for name in paths}
    with ExitStack() as files:
        for name, path in paths.items():
            one, title, said = MAPS.get(name), titles[name], provenance[name]
            quantity = "" if one is None else one.definition
            of_classes = one is not None and one.of_classes
            if zarr:
                made = zarr_sinks(
                    path, grids[name], table=table, quantity=quantity, classes=of_classes,
                    name=title.removesuffix(ZARR),
                    note=None if said is None else provenance_json(said, title),
                )  # fmt: skip
                sinks[name] = files.enter_context(made)
                continue
            common: dict[str, Any] = {
                "title": title, "provenance": said, "quantity": quantity,
                "scale": None if one is None else (1 / STEPS, 0.0),
            }  # fmt: skip
            if of_classes:
                sinks[name] = files.enter_context(
                    written_channels(path, grids[name], np.uint8, table=table, **common)
                )
            else:
                sink = written(
                    path, grids[name], np.uint8, table=table if one is None else None,
                    compression="gzip", **common,
                )  # fmt: skip
                sinks[name] = [files.enter_context(sink)]
        yield PredictionSink(sinks, grids, table)


def write_prediction(
    path: Path | str,
    labels: Volume,
    *,
    probabilities: Callable[[int, int], NDArray[Any]] | None = None,
    entropy: Volume | None = None,
    margin: Volume | None = None,
    maps_grid: Grid | None = None,
    provenance: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Write predicted labels as a file, with probabilities and disagreement beside it.

    Parameters
    ----------
    path : path
        The file of the labels: any that `write_volume` writes; ``.h5`` or ``.ome.zarr`` where more
        than the labels is written.
    labels : Volume
        The labels, with their table.
    probabilities : callable, optional
        ``probabilities(start, stop)`` gives those of some slices: (K, stop - start, Y, X).
    entropy, margin : Volume, optional
        The disagreement; both or none.
    maps_grid : Grid, optional
        Where probabilities and disagreement lie; on the grid of the labels where it is None.
    provenance : mapping, optional
        How it was made: plain data.
    overwrite : bool, default=False
        Whether files that exist may be replaced.

    Raises
    ------
    FileFormatError
        If the format is not known, or cannot hold what is given.
    ParameterError
        If the labels have no table, or one of entropy and margin is missing.
    StorageError
        If a file exists and may not be replaced, or there is too little space.
    """
    if labels.table is None:
        raise ParameterError(f"{path}: predicted labels need a label table")
    if (entropy is None) != (margin is None):
        raise ParameterError("entropy and margin are written together; give both, or none")
    saves = [] if probabilities is None else ["probabilities"]
    saves += [] if entropy is None else ["disagreement"]
    path = prediction_files(path, saves)[LABELS]
    if not saves:
        write_volume(path, labels, provenance=provenance, overwrite=overwrite)
        return
    with create_prediction(
        path, labels.grid, labels.table, saves=saves, maps_grid=maps_grid, provenance=provenance,
        overwrite=overwrite,
    ) as sink:  # fmt: skip
        sink.fill(labels, probabilities=probabilities, entropy=entropy, margin=margin)


def _said(
    name: str, table: LabelTable, provenance: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    if name == LABELS:
        return provenance
    return {**MAPS[name].facts(table), **(provenance or {})}


def _is_zarr(path: Path) -> bool:
    return path.name.lower().endswith(ZARR)
