"""Measures with the intervals that a calibration gives them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from srseg.quantification._intervals import plane_spreads
from srseg.quantification._measure import Measures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.quantification._intervals import IntervalCalibration
    from srseg.quantification._measure import Measure

# these can be negative: an implant may seem to have grown
_SIGNED = ("volume_loss", "volume_loss_fraction", "degradation_rate")


def add_intervals(
    measures: Measures, planes: Sequence[Measures], calibration: IntervalCalibration
) -> Measures:
    """Give measures of predicted labels their intervals.

    An interval is cut off at what the measure can be: volumes, surfaces and lengths are not below
    0, shares within 0 and 100 %.

    Parameters
    ----------
    measures : Measures
        Of the fused labels.
    planes : sequence of Measures
        Of the labels of single planes, two or more, of the same model and sample.
    calibration : IntervalCalibration
        What errors are like.

    Returns
    -------
    Measures
        The same, with an interval where the measure was calibrated, with the same settings, else
        with a note that says why not;
        ``facts["intervals"]`` says the level and what the calibration was made of.

    Raises
    ------
    ParameterError
        If there are fewer than two planes.
    """
    spreads = plane_spreads(planes)
    entries = tuple(
        _with_interval(one, spreads.get(one.name, math.nan), calibration) for one in measures
    )
    said = {"level": calibration.level, **calibration.facts}
    return Measures(entries, {**measures.facts, "intervals": said})


def _with_interval(one: Measure, spread: float, calibration: IntervalCalibration) -> Measure:
    if not math.isfinite(one.value):
        return one
    if one.name not in calibration.measures:
        return _without(one, "it was not calibrated")
    made_with = calibration.measures[one.name].settings
    others = {key: value for key, value in made_with.items() if one.settings.get(key) != value}
    if others:
        said = ", ".join(f"{key} {value}" for key, value in others.items())
        return _without(one, f"it was calibrated for {said}")
    if not math.isfinite(spread):
        return _without(one, "not every single plane has a number")
    low, high = calibration.interval(one.name, one.value, spread)
    if not math.isfinite(low):
        return _without(one, "errors are shares of the number, and it is 0")
    if one.name not in _SIGNED:
        least, most = 0.0, 100.0 if one.unit == "%" else math.inf
        low, high = (min(max(end, least), most) for end in (low, high))
    return replace(one, interval=(low, high))


def _without(one: Measure, reason: str) -> Measure:
    note = f"no interval: {reason}"
    return replace(one, note="; ".join(text for text in (one.note, note) if text))
