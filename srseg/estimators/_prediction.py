"""Labelling one scan: planned, run in bounded memory, read in parts."""

from __future__ import annotations

import hashlib
import zlib
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from srseg._version import __version__
from srseg.estimators._domain import warn_if_foreign
from srseg.inference import (
    FunctionPredictor,
    MemoryImage,
    PlanePrediction,
    ScratchImage,
    kept_identity,
)
from srseg.labels import UNLABELLED
from srseg.planes import WANTED
from srseg.preprocessing import (
    labels_everywhere,
    model_grid,
    prepare,
    prepared_once,
    resample,
    seen_blocks,
    seen_voxels,
)
from srseg.progress import task
from srseg.volumes import Volume

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from srseg.estimators._protocol import SliceSegmenter
    from srseg.inference import Fused, KeptImage, PredictionPlan, Stages
    from srseg.labels import LabelTable
    from srseg.planes import Plane
    from srseg.volumes import Grid, Region, Sample

_ROW = 64  # slices and lines of a box, in voxels: whole tiles
_LOOKED_AT = 8  # slices that tell one scan from another


class Prediction:
    """A scan that is being labelled; use it in a ``with`` block.

    Nothing of the scan's size need be in memory: labels, probabilities and disagreement are
    computed from the votes as they are read.

    Parameters
    ----------
    segmenter : SliceSegmenter
        What predicts slices.
    choices : sequence of (planes, voting)
        What is fused.
    sample : Sample
        The scan.
    grid : {"model", "scan"}, default="model"
        Where the labels lie.
    max_memory : int, optional
        Bytes that this process may have.
    scratch : path, optional
        A folder for this prediction alone, where it goes on after it was stopped.
    restart : bool, default=False
        Whether what lies in the scratch folder is thrown away.
    identity : mapping, optional
        More facts that must be the same for a prediction to go on, plain data.

    See Also
    --------
    srseg.MultiAxisEnsemble.prepare_prediction : Makes one.
    """

    def __init__(
        self,
        segmenter: SliceSegmenter,
        choices: Sequence[tuple[Sequence[Plane], Any]],
        sample: Sample,
        *,
        grid: Literal["model", "scan"] = "model",
        max_memory: int | None = None,
        scratch: Path | None = None,
        restart: bool = False,
        identity: Mapping[str, Any] | None = None,
    ) -> None:
        self.table: LabelTable = segmenter.label_table_
        self._segmenter = segmenter
        self._sample = sample
        self._on = grid
        self._scratch = None if scratch is None else Path(scratch)
        self._restart = restart
        self._exit = ExitStack()
        self._kept = sample.prepared(segmenter.voxel_size_, segmenter.clip_)
        self._shown = self._kept or _resampled(sample, segmenter.voxel_size_)
        self.grid: Grid = self._shown.grid
        self._cheap = self._is_cheap()
        self._identity = {} if scratch is None else self._facts(identity or {})
        kept = {} if scratch is None or restart else kept_identity(Path(scratch)) or {}
        predictors = _predictors(segmenter, len(self.table), kept.get("runtime"))
        self._predictor = predictors[0]
        self._planes = PlanePrediction(
            predictors,
            self.grid.shape,
            choices,
            n_classes=len(self.table),
            stride=segmenter.stride,
            reach=segmenter.reach,
            wanted=seen_blocks(self._shown, sample.scan_grid, WANTED),
            beside=0 if self._cheap else 2 * self.grid.n_voxels,
            max_memory=max_memory,
            scratch=self._scratch,
            identity=self._identity,
            restart=restart,
        )
        self._fused: list[Fused] = []
        self._copy: ScratchImage | None = None

    @property
    def plan(self) -> PredictionPlan:
        """How it is done and what it takes; the network is tried when it is first asked for."""
        return self._planes.plan

    @property
    def runtime(self) -> str:
        """What runs the network, known for sure when it has run."""
        return str(self._predictor.runtime)

    @property
    def resumes(self) -> bool:
        """Whether the scratch folder holds a prediction that may go on."""
        return self._planes.resumes

    @property
    def stages(self) -> Stages:
        """Where the time went."""
        return self._planes.stages

    def run(self, *, warn: bool = True) -> None:
        """Predict what is not done yet.

        Parameters
        ----------
        warn : bool, default=True
            Whether a scan is compared with those that the model has seen.

        Raises
        ------
        Stopped
            Where it was asked to stop; with a scratch folder, the same prediction goes on later.
        """
        self._planes.open()
        image = self._image()
        if warn:
            warn_if_foreign(self._segmenter, self._sample, image)

        def read(region: Region) -> NDArray[np.float32]:
            block: NDArray[np.float32] = image.read(region).astype(np.float32, copy=False)
            return block

        self._fused = self._planes.run(read)

    @property
    def labels(self) -> Volume:
        """The labels, read from the votes; 255 outside of the scan's field of view."""
        return self.all_labels()[0]

    def all_labels(self) -> list[Volume]:
        """Give the labels of each choice of planes and voting.

        Returns
        -------
        list of Volume
            Read from the votes; 255 outside of the scan's field of view.
        """
        return [self._placed(fused) for fused in self._require_run()]

    @property
    def entropy(self) -> Volume:
        """How undecided the planes are, uint8: 0 is certain, 255 is all classes alike."""
        return self._map(self._require_run()[0].entropy)

    @property
    def margin(self) -> Volume:
        """Lead of the most probable class over the second, uint8: 255 is certain, 0 is a tie."""
        return self._map(self._require_run()[0].margin)

    def read_probabilities(self, start: int, stop: int) -> NDArray[np.float32]:
        """Give the fused probabilities of some slices, on the model's grid.

        Parameters
        ----------
        start, stop : int
            First slice along z and the one after the last.

        Returns
        -------
        ndarray of shape (K, stop - start, Y, X), float32
            They add up to 1; 0 for every class outside of the scan's field of view.
        """
        shares = self._require_run()[0].probabilities(start, stop)
        seen = self.seen(start, stop)
        if seen is not None:
            shares *= seen
        return shares

    def discard(self) -> None:
        """Remove the scratch folder, once the labels stand elsewhere."""
        self._fused = []
        if self._copy is not None:
            self._copy.discard()
        self._exit.close()
        self._planes.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._fused = []
        self._exit.close()
        self._planes.close()

    def _require_run(self) -> list[Fused]:
        if not self._fused:
            raise RuntimeError("run the prediction first, inside its with block")
        return self._fused

    def _is_cheap(self) -> bool:
        """Whether the prepared scan can be read in any direction, many times, as it is."""
        if self._kept is not None:
            made_late = getattr(self._sample, "prepared_when_read", None)
            return made_late is None or not made_late(
                self._segmenter.voxel_size_, self._segmenter.clip_
            )
        scan = self._sample.scan
        return isinstance(scan.source, np.ndarray) and scan.grid == self.grid

    def _image(self) -> Volume:
        """Give the normalised scan in a form that is cheap to read in any direction, many times."""
        if self._cheap:
            return self._kept or prepare(
                self._sample.scan,
                voxel_size=self._segmenter.voxel_size_,
                clip=self._segmenter.clip_,
            )
        folder = self._planes.folder
        image: KeptImage
        if folder is None:
            image = MemoryImage(self.grid.shape)
        else:
            opened = ScratchImage.open(
                folder, self._identity, self.grid.shape, restart=self._restart
            )
            self._copy = image = self._exit.enter_context(opened)
        if not image.complete:
            self._fill(image)
        return Volume(image, self.grid, normalised=True, field=self._shown.field)

    def _fill(self, image: KeptImage) -> None:
        """Prepare the scan once, to read it many times along other directions."""

        def copy(volume: Volume) -> None:
            depth, rows, columns = volume.shape
            with task("preparing the scan", depth * rows) as progress:
                for z in range(0, depth, _ROW):
                    for y in range(0, rows, _ROW):
                        box = (
                            slice(z, min(z + _ROW, depth)),
                            slice(y, min(y + _ROW, rows)),
                            slice(0, columns),
                        )
                        block = volume.read(box)
                        image.write(box, block.astype(np.float32, copy=False))
                        progress.advance(block.shape[0] * block.shape[1])
            image.finish()

        if self._kept is not None:
            copy(self._kept)
            return
        with prepared_once(
            self._sample.scan,
            voxel_size=self._segmenter.voxel_size_,
            clip=self._segmenter.clip_,
            scratch=self._planes.folder,
        ) as (volume, _):
            copy(volume)

    def _placed(self, fused: Fused) -> Volume:
        def classes(start: int, stop: int) -> NDArray[np.uint8]:
            labels = self.table.to_values(fused.classes(start, stop))
            seen = self.seen(start, stop)
            if seen is not None:
                np.copyto(labels, UNLABELLED, where=~seen)
            return labels

        source = _Slices(classes, self.grid.shape)
        labels = Volume(source, self.grid, table=self.table)
        return labels if self._on == "model" else labels_everywhere(labels, self._sample.scan_grid)

    def _map(self, measure: Callable[[int, int], NDArray[np.uint8]]) -> Volume:
        def seen_only(start: int, stop: int) -> NDArray[np.uint8]:
            values = measure(start, stop)
            seen = self.seen(start, stop)
            if seen is not None:
                np.copyto(values, 0, where=~seen)
            return values

        return Volume(_Slices(seen_only, self.grid.shape), self.grid)

    def seen(self, start: int, stop: int) -> NDArray[np.bool_] | None:
        """Tell which voxels of some slices the scan saw.

        Parameters
        ----------
        start, stop : int
            First slice along z and the one after the last.

        Returns
        -------
        ndarray of bool or None
            Of shape (stop - start, Y, X), or (1, Y, X); None where every voxel was seen.
        """
        _, rows, columns = self.grid.shape
        region = (slice(start, stop), slice(0, rows), slice(0, columns))
        return seen_voxels(self._shown, self._sample.scan_grid, region)

    def _facts(self, more: Mapping[str, Any]) -> dict[str, Any]:
        """Say which scan and model this is of."""
        clip = [float(value) for value in self._segmenter.clip_]
        return {
            "srseg": __version__,
            "sample": self._sample.name,
            "grid": self.grid.to_dict(),
            "scan": _fingerprint(self._kept or self._sample.scan),
            "model": _model_hash(self._segmenter),
            "clip": clip,
            "labels": self.table.to_dicts(),
            **more,
        }


class _Slices:
    """Voxels that are computed by ranges of slices, as a source of a volume."""

    def __init__(
        self, compute: Callable[[int, int], NDArray[np.uint8]], shape: tuple[int, int, int]
    ) -> None:
        self._compute = compute
        self.shape = shape
        self.dtype = np.dtype(np.uint8)
        self.whole_slices = True

    def __getitem__(self, region: Region) -> NDArray[np.uint8]:
        z, y, x = region
        return self._compute(z.start, z.stop)[:, y, x]


def _resampled(sample: Sample, voxel_size: float | None) -> Volume:
    """Give the scan on the model's grid, to be looked at for its shape and field only."""
    scan = sample.scan
    size = voxel_size if voxel_size is not None else scan.grid.voxel_size[0]
    resampled = resample(scan, model_grid(scan.grid, size), order="linear")
    return Volume(resampled.source, resampled.grid, field=scan.field)


def _predictors(segmenter: Any, n_classes: int, runtime: str | None) -> list[Any]:
    """Give what runs the network; of a plugin's estimator only the function is known."""
    own = getattr(segmenter, "slice_predictors", None)
    if own is not None:
        predictors: list[Any] = own(runtime)
        return predictors
    return [FunctionPredictor(segmenter.predict_slices_proba, n_classes)]


def _fingerprint(volume: Volume) -> str:
    """Tell one scan from another by a few of its slices."""
    depth, rows, columns = volume.shape
    check = 0
    for i in range(min(depth, _LOOKED_AT)):
        z = i * depth // min(depth, _LOOKED_AT)
        block = volume.read((slice(z, z + 1), slice(0, rows), slice(0, columns)))
        check = zlib.crc32(np.ascontiguousarray(block).tobytes(), check)
    return f"{check:08x}"


def _model_hash(segmenter: Any) -> str:
    network = getattr(segmenter, "network_", None)
    if network is None:  # a plugin's
        return type(segmenter).__name__
    digest = hashlib.sha256()
    for name, tensor in sorted(_arrays(network)):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensor).tobytes())
    return digest.hexdigest()


def _arrays(network: Any) -> Iterator[tuple[str, NDArray[Any]]]:
    for name, tensor in network.state_dict().items():
        yield name, tensor.detach().cpu().numpy()
