"""What is learned from reference labels of all measures, and how far planes differ."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from srseg.errors import FileFormatError, ParameterError, UnknownNameError
from srseg.quantification._calibrated import CalibratedMeasure, fewest_samples, require_samples
from srseg.storage import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from srseg.quantification._measure import Measures

_FORMAT = "srseg intervals 1"
_RELATIVE = ("mm³", "mm²")
_METHOD = ("voxel_size_um", "neighbourhood", "distance_um", "sigma_um", "crack_width_um")


@dataclass(frozen=True)
class IntervalCalibration:
    """How far the numbers of predicted labels lie from those of reference labels.

    Parameters
    ----------
    measures : mapping of str to CalibratedMeasure
        By the name of the measure.
    level : float
        The share of intervals that are to hold the true number.
    facts : mapping
        What it was calibrated on: ``"reference"``, the name of the label set that counted as true,
        ``"samples"``, ``"models"``, …; values that JSON can hold.
    left_out : mapping of str to int
        Measures that too few samples have a number of, and how many do.
    """

    measures: Mapping[str, CalibratedMeasure]
    level: float = 0.9
    facts: Mapping[str, Any] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        predicted: Sequence[Measures],
        planes: Sequence[Sequence[Measures]],
        references: Sequence[Measures],
        *,
        models: Sequence[str] | None = None,
        level: float = 0.9,
        facts: Mapping[str, Any] | None = None,
    ) -> Self:
        """Calibrate every measure that enough samples have a number of.

        Errors of volumes and surfaces are taken as shares of the number, those of rates, lengths
        and percentages as they are.

        Parameters
        ----------
        predicted : sequence of Measures
            Of the fused labels of each sample, by a model that was not trained on it.
        planes : sequence of sequence of Measures
            Of the labels of single planes of the same model: two or more for each sample.
        references : sequence of Measures
            Of the reference labels of each sample.
        models : sequence of str, optional
            Which model predicted each sample; one and the same where it is None.
        level : float, default=0.9
            The share of intervals that are to hold the true number.
        facts : mapping, optional
            What it was calibrated on.

        Returns
        -------
        IntervalCalibration
            The calibration.

        Raises
        ------
        ParameterError
            If there are too few samples for the level, or they do not go together.
        """
        require_samples(len(predicted), level)
        if not len(predicted) == len(planes) == len(references):
            raise ParameterError(
                f"to calibrate, each sample needs predicted, single-plane and reference measures; "
                f"found {len(predicted)}, {len(planes)} and {len(references)}"
            )
        spreads = [plane_spreads(of_sample) for of_sample in planes]
        names = models or [""] * len(predicted)
        found: dict[str, CalibratedMeasure] = {}
        left_out: dict[str, int] = {}
        for name, unit in {m.name: m.unit for one in predicted for m in one}.items():
            relative = unit in _RELATIVE
            rows = np.array(
                [
                    (_value(x, name), s.get(name, math.nan), _value(r, name))
                    for x, s, r in zip(predicted, spreads, references, strict=True)
                ]
            )
            known = np.isfinite(rows).all(1) & ((rows[:, 0] != 0) | (not relative))
            if known.sum() < fewest_samples(level):
                left_out[name] = int(known.sum())
                continue
            by = [model for model, there in zip(names, known, strict=True) if there]
            one = CalibratedMeasure.fit(*rows[known].T, models=by, level=level, relative=relative)
            found[name] = replace(one, settings=_same_settings(predicted, name))
        if not found:
            raise ParameterError(
                f"no measure has a number in {fewest_samples(level)} of {len(predicted)} samples, "
                "with single planes and reference"
            )
        return cls(found, level, dict(facts or {}), left_out)

    def interval(self, name: str, value: float, spread: float) -> tuple[float, float]:
        """Give the interval of a number.

        Parameters
        ----------
        name : str
            The measure.
        value : float
            The number of the fused labels.
        spread : float
            The standard deviation of those of the single planes.

        Returns
        -------
        tuple of float
            Its lower and its upper end; NaN where there is no number.

        Raises
        ------
        UnknownNameError
            If the measure was not calibrated.
        """
        if name not in self.measures:
            known = ", ".join(self.measures)
            raise UnknownNameError(f"the measure {name!r} was not calibrated; there are: {known}")
        return self.measures[name].interval(value, spread)

    def save(self, path: Path | str, *, overwrite: bool = False) -> None:
        """Write the calibration as JSON.

        Parameters
        ----------
        path : path
            The file to make.
        overwrite : bool, default=False
            Whether an existing file may be replaced.

        Raises
        ------
        StorageError
            If the file exists and may not be replaced.
        """
        document = {
            "format": _FORMAT,
            "level": self.level,
            "facts": dict(self.facts),
            "measures": {name: asdict(one) for name, one in self.measures.items()},
            "left_out": dict(self.left_out),
        }
        write_json(path, document, overwrite=overwrite)

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a calibration; the inverse of `save`.

        Parameters
        ----------
        path : path
            The file.

        Returns
        -------
        IntervalCalibration
            The calibration.

        Raises
        ------
        FileFormatError
            If the file holds no calibration.
        """
        data = read_json(path)
        try:
            if data["format"] != _FORMAT:
                raise ValueError(f"its format is {data['format']!r}, not {_FORMAT!r}")
            measures = {
                str(name): CalibratedMeasure(
                    bool(one["relative"]), float(one["bias"]), float(one["floor"]),
                    float(one["factor"]), int(one["n"]), dict(one["settings"]),
                )
                for name, one in data["measures"].items()
            }  # fmt: skip
            left_out = {str(name): int(n) for name, n in data["left_out"].items()}
            return cls(measures, float(data["level"]), dict(data["facts"]), left_out)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise FileFormatError(
                f"{path}: no calibration of intervals ({reason}); make one with: srseg calibrate"
            ) from None


def plane_spreads(planes: Sequence[Measures]) -> dict[str, float]:
    """Tell how far the numbers of single planes lie apart.

    Parameters
    ----------
    planes : sequence of Measures
        Of the labels of each plane; at least two.

    Returns
    -------
    dict of str to float
        The standard deviation (n - 1) of each measure; NaN where a plane has no number.

    Raises
    ------
    ParameterError
        If there is only one plane.
    """
    if len(planes) < 2:
        raise ParameterError(
            f"how far planes differ needs the labels of two single planes or more, found "
            f"{len(planes)}; predict with --planes rc, --planes cp and --planes pr"
        )
    names = dict.fromkeys(m.name for one in planes for m in one)
    return {name: float(np.std([_value(one, name) for one in planes], ddof=1)) for name in names}


def _value(measures: Measures, name: str) -> float:
    return next((m.value for m in measures if m.name == name), math.nan)


def _same_settings(predicted: Sequence[Measures], name: str) -> dict[str, Any]:
    """Give what a measure was made with in all samples."""
    first, *others = [one.settings for found in predicted for one in found if one.name == name]
    return {
        key: first[key]
        for key in _METHOD
        if key in first and all(other.get(key) == first[key] for other in others)
    }
