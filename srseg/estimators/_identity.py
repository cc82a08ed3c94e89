"""What a prediction is of: what must be the same for it to go on."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from srseg._version import __version__
from srseg.errors import ParameterError
from srseg.estimators._predictors import has_own_predictors, unwrapped, weight_bytes
from srseg.storage import file_stamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from srseg.volumes import Sample, Volume

_LOOKED_AT = 8  # slices that tell one scan from another


def prediction_facts(
    segmenter: Any, sample: Sample, shown: Volume, kept: Volume | None, more: Mapping[str, Any]
) -> dict[str, Any]:
    """Say which scan and which model a prediction is of.

    Parameters
    ----------
    segmenter : SliceSegmenter
        The model.
    sample : Sample
        The sample.
    shown : Volume
        Its scan on the model's grid.
    kept : Volume or None
        Its working copy, if that is what is read.
    more : mapping
        More facts, plain data.

    Returns
    -------
    dict
        Plain data, by names that people understand.

    Raises
    ------
    ParameterError
        If the model cannot be told from others, or `more` has a fact that is known already.
    """
    facts = {
        "srseg": __version__,
        "sample": sample.name,
        "grid": shown.grid.to_dict(),
        "scan grid": sample.scan_grid.to_dict(),
        "field of view": None if shown.field is None else shown.field.to_dict(),
        "scan": fingerprint(kept or sample.scan),
        "model": model_hash(segmenter, more),
        "clip": [float(value) for value in segmenter.clip_],
        "labels": segmenter.label_table_.to_dicts(),
    }
    twice = sorted(set(facts) & set(more))
    if twice:
        raise ParameterError(
            f"identity names {', '.join(twice)}, which srseg finds out by itself; take another name"
        )
    return facts | dict(more)


def fingerprint(volume: Volume) -> dict[str, Any]:
    """Tell one scan from another.

    Of an array in memory every voxel is looked at. Of other volumes these are: eight slices, the
    first and the last among them; size, time of the last change and first bytes of the file that
    the voxels come from (of a folder, names, sizes and latest time of its files); and every voxel
    of an array in memory that they are computed from. A file that was changed in place elsewhere
    and given back its old time is taken for the same.

    Parameters
    ----------
    volume : Volume
        The scan, or its working copy.

    Returns
    -------
    dict
        Plain data.
    """
    origin = _origin(volume.source)
    found: dict[str, Any] = {"shape": list(volume.shape), "type": str(volume.dtype)}
    if _in_memory(origin):
        found["voxels"] = _crc_of_array(origin)
        if origin is volume.source:
            return found
    path = getattr(origin, "path", None) or getattr(origin, "filename", None)
    if isinstance(path, (str, Path)) and Path(path).exists():
        found["file"] = file_stamp(path).to_dict()
    depth, rows, columns = volume.shape
    check = 0
    for z in sorted(set(np.linspace(0, depth - 1, _LOOKED_AT).round().astype(int).tolist())):
        block = volume.read((slice(z, z + 1), slice(0, rows), slice(0, columns)))
        check = zlib.crc32(np.ascontiguousarray(block).data, check)
    found["slices"] = f"{check:08x}"
    return found


def model_hash(segmenter: Any, more: Mapping[str, Any]) -> str:
    """Tell one model from another.

    Parameters
    ----------
    segmenter : SliceSegmenter
        The model.
    more : mapping
        What its user says of it.

    Returns
    -------
    str
        The class of the estimator, and the SHA-256 of its weights where those are all that counts.

    Raises
    ------
    ParameterError
        If the weights of a network are not all that counts, and `more` does not name the model.
    """
    estimator = unwrapped(segmenter)
    kind = type(estimator)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if callable(getattr(estimator, "digest", None)):  # a BaseSegmenter
        return f"{name} {estimator.digest()}"
    network = getattr(estimator, "network_", None)
    if not (isinstance(network, torch.nn.Module) and has_own_predictors(estimator)):
        if not any(key.startswith("model") for key in more):
            raise ParameterError(
                f"a prediction in a scratch folder goes on with the model that it was begun with, "
                f"and nothing tells one {kind.__name__} from another; name it with "
                "identity={'model file': <the checksum of its file, or what else tells it from "
                "others>}, or predict without a scratch folder"
            )
        return name
    digest = hashlib.sha256()
    for key, tensor in sorted(network.state_dict().items()):
        digest.update(key.encode())
        digest.update(weight_bytes(tensor))
    return f"{name} {digest.hexdigest()}"


def _origin(source: Any) -> Any:
    """Follow what voxels are computed from, down to a file or an array."""
    while getattr(source, "path", None) is None:
        inner = getattr(source, "source", None)
        if inner is None:
            inner = getattr(getattr(source, "volume", None), "source", None)
        if inner is None:
            return source
        source = inner
    return source


def _in_memory(source: Any) -> bool:
    return isinstance(source, np.ndarray) and not isinstance(source, np.memmap)


def _crc_of_array(array: Any) -> str:
    check = 0
    for plane in array:  # one by one: nothing is copied whole, whatever its order in memory
        check = zlib.crc32(np.ascontiguousarray(plane).data, check)
    return f"{array.dtype.str} {array.shape} {check:08x}"
