"""The implant numbers of a prediction and of the truth, on the same voxels."""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import LabelError
from srseg.estimators import SamplePart, labels_facts, scan_facts, whole_of
from srseg.evaluation._job_facts import digest
from srseg.evaluation._kept_jobs import KeptJobs
from srseg.labels import UNLABELLED
from srseg.preprocessing import labels_on_grid
from srseg.quantification import implant_from_metadata, measure
from srseg.volumes import Volume

if TYPE_CHECKING:
    from pathlib import Path

    from srseg.volumes import Sample


def measure_names(distance: float) -> tuple[str, str, str]:
    """Give the keys of the implant numbers of the paper's Table 3.

    Parameters
    ----------
    distance : float
        The distance to the implant within which BV/TV is measured, in µm.

    Returns
    -------
    tuple of str
        Degradation rate, BIC and BV/TV.
    """
    return "degradation_rate", "bone_implant_contact", f"bone_fraction_{distance:g}um"


def label_set_facts(sample: Sample, name: str) -> dict[str, Any]:
    """Say which scan a sample has, and which labels of a name.

    Parameters
    ----------
    sample : Sample
        The sample.
    name : str
        The label set, which need not be the target.

    Returns
    -------
    dict
        Plain data.
    """
    facts: dict[str, Any] = {"name": sample.name, "set": name, "scan": scan_facts(sample)}
    whole = whole_of(sample)
    if hasattr(whole, "labels_info"):  # a dataset has records of it
        told = whole.labels_info(name)
        return facts | {"labels": {key: told.get(key) for key in ("Revision", "Stamp")}}
    return facts | {"labels": labels_facts(sample, sample.labels(name))}


def both_measured(
    sample: Sample, truth: str, labels: Volume, distance: float, folder: Path
) -> dict[str, dict[str, float | None]]:
    """Measure labels and truth on the same voxels: those that both label.

    Parameters
    ----------
    sample : Sample
        The sample.
    truth : str
        The label set that counts as true.
    labels : Volume
        In memory.
    distance : float
        The distance within which BV/TV is measured, in µm.
    folder : path
        Where the numbers of the truth are kept: they are the same for every model.

    Returns
    -------
    dict
        ``prediction`` and ``truth``: numbers by name, None where there is none; nothing where the
        classes are others than those of an implant.
    """
    expected = labels_on_grid(sample.labels(truth), labels.grid).read()
    given = labels.read()
    unknown = (expected == UNLABELLED) | (given == UNLABELLED)
    facts = {
        **label_set_facts(sample, truth),
        "grid": labels.grid.to_dict(),
        "distance": distance,
        "metadata": implant_facts(sample),
        "unlabelled": zlib.crc32(np.packbits(unknown).tobytes()),
    }

    def numbers(values: Any) -> dict[str, float | None]:
        masked = np.where(unknown, UNLABELLED, values).astype(np.uint8)
        return _numbers(Volume(masked, labels.grid, table=labels.table), sample, distance)

    kept = KeptJobs(folder).do(digest(facts), facts, lambda: {"measures": numbers(expected)})
    return {"prediction": numbers(given), "truth": kept["measures"]}


def implant_facts(sample: Sample) -> dict[str, float | None]:
    """Give what the metadata of a sample say of its implant before it was implanted.

    Parameters
    ----------
    sample : Sample
        The sample; of a part of one nothing is known.

    Returns
    -------
    dict
        Numbers by key, None where one is not known.
    """
    keys = ("initial_volume_mm3", "initial_surface_mm2", "implantation_days")
    given = {} if isinstance(sample, SamplePart) else sample.metadata
    return {key: None if given.get(key) is None else float(given[key]) for key in keys}


def _numbers(labels: Volume, sample: Sample, distance: float) -> dict[str, float | None]:
    facts = implant_facts(sample)  # of a part of an implant nothing is known
    try:
        found = measure(
            labels,
            implant=implant_from_metadata(facts),
            days=facts["implantation_days"],
            distances=[distance],
        )
    except LabelError:  # other classes than those of an implant
        return {}
    values = {name: float(found[name].value) for name in measure_names(distance)}
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
