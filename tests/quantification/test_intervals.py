"""Intervals: their coverage, their limits, and how they are kept."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srseg.errors import FileFormatError, ParameterError, StorageError, UnknownNameError
from srseg.quantification import (
    CalibratedMeasure,
    IntervalCalibration,
    Measure,
    Measures,
    add_intervals,
    plane_spreads,
)

if TYPE_CHECKING:
    from pathlib import Path


def measures(**values: float) -> Measures:
    units = {"implant_volume": "mm³", "bone_implant_contact": "%", "degradation_rate": "mm/year"}
    return Measures(
        tuple(
            Measure(name, name, value, units.get(name, "µm"), "…") for name, value in values.items()
        )
    )


def drawn(
    generator: np.random.Generator, n: int, bias: float = 3.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give numbers, spreads and true numbers: some samples are harder than others."""
    true = generator.uniform(40, 80, n)
    hard = generator.uniform(0.5, 3, n)
    spread = hard * np.sqrt(generator.chisquare(2, n) / 2)
    return true + bias + generator.standard_t(4, n) * hard, spread, true


@pytest.mark.parametrize("n", [9, 15, 30])
@pytest.mark.parametrize("relative", [False, True])
def test_nine_in_ten_hold_the_truth(n: int, relative: bool) -> None:
    generator = np.random.default_rng(n)
    held = 0
    for _ in range(2000):
        x, s, r = drawn(generator, n + 1)
        one = CalibratedMeasure.fit(x[1:], s[1:], r[1:], relative=relative)
        low, high = one.interval(x[0], s[0])
        held += low <= r[0] <= high
    # the share that conformal prediction promises, give or take
    expected = math.ceil((n + 1) * 0.9) / (n + 1)
    assert held / 2000 == pytest.approx(expected, abs=0.02)


def test_the_bias_is_taken_off_and_hard_samples_have_wide_intervals() -> None:
    x, s, r = drawn(np.random.default_rng(0), 400)
    one = CalibratedMeasure.fit(x, s, r)
    assert one.bias == pytest.approx(3, abs=0.3)
    easy, hard = one.interval(50, 0.5), one.interval(50, 5)
    assert sum(easy) / 2 == pytest.approx(50 - one.bias)
    assert (hard[1] - hard[0]) / (easy[1] - easy[0]) == pytest.approx(
        (5 + one.floor) / (0.5 + one.floor)
    )


def test_as_by_hand() -> None:
    x, s, r = [10, 12, 11, 9, 10, 14, 13, 12, 10], [1, 2, 1, 0, 1, 2, 3, 1, 1], [9] * 9
    one = CalibratedMeasure.fit(x, s, r)
    errors = np.array(x) - 9
    scaled = [
        abs(errors[i] - np.median([e for j, e in enumerate(errors) if j != i])) / (s[i] + 1)
        for i in range(9)
    ]
    assert (one.bias, one.floor, one.n) == (2, 1, 9)
    assert one.factor == max(scaled)
    low, high = one.interval(20, 3)
    assert [low, high] == pytest.approx([18 - 4 * one.factor, 18 + 4 * one.factor])


@given(st.floats(0.01, 100), st.integers(0, 20))
@settings(max_examples=30, deadline=None)
def test_the_unit_does_not_matter(scale: float, seed: int) -> None:
    x, s, r = drawn(np.random.default_rng(seed), 12)
    for relative in (False, True):
        one = CalibratedMeasure.fit(x, s, r, relative=relative).interval(50, 2)
        other = CalibratedMeasure.fit(scale * x, scale * s, scale * r, relative=relative)
        assert other.interval(scale * 50, scale * 2) == pytest.approx(tuple(scale * e for e in one))


def test_planes_that_always_agree() -> None:
    x, _, r = drawn(np.random.default_rng(1), 12)
    low, high = CalibratedMeasure.fit(x, np.zeros(12), r).interval(50, 0)
    assert high > low


@pytest.mark.parametrize(("level", "fewest"), [(0.9, 9), (0.8, 4), (0.95, 19), (0.5, 2)])
def test_too_few_samples_are_refused(level: float, fewest: int) -> None:
    x, s, r = drawn(np.random.default_rng(2), fewest)
    CalibratedMeasure.fit(x, s, r, level=level)
    with pytest.raises(ParameterError, match=f"at least {fewest} calibration samples"):
        CalibratedMeasure.fit(x[1:], s[1:], r[1:], level=level)


def calibration(n: int = 12, **options: Any) -> IntervalCalibration:
    generator = np.random.default_rng(3)
    x, s, r = drawn(generator, n)
    predicted = [measures(implant_volume=v, degradation_rate=v / 100) for v in x]
    planes = [
        [measures(implant_volume=v + d, degradation_rate=(v + d) / 100) for d in (-a, 0, a)]
        for v, a in zip(x, s, strict=True)
    ]
    references = [measures(implant_volume=v, degradation_rate=v / 100) for v in r]
    return IntervalCalibration.fit(predicted, planes, references, **options)


class TestCalibration:
    def test_each_measure_by_its_name(self) -> None:
        x, s, r = drawn(np.random.default_rng(3), 12)
        found = calibration(facts={"reference": "HQ"})
        assert found.interval("implant_volume", 50, 2) == pytest.approx(
            CalibratedMeasure.fit(x, s, r, relative=True).interval(50, 2)
        )
        assert not found.measures["degradation_rate"].relative
        assert found.measures["degradation_rate"].interval(0.5, 0.02) == pytest.approx(
            tuple(e / 100 for e in CalibratedMeasure.fit(x, s, r).interval(50, 2))
        )
        assert found.facts == {"reference": "HQ"}

    def test_what_too_few_samples_have_is_left_out(self) -> None:
        x, _, _ = drawn(np.random.default_rng(3), 10)
        rare = [math.nan if i < 2 else v for i, v in enumerate(x)]
        of_all = [measures(implant_volume=v, pit_depth=p) for v, p in zip(x, rare, strict=True)]
        found = IntervalCalibration.fit(of_all, [[one, one] for one in of_all], of_all)
        assert list(found.measures) == ["implant_volume"]
        assert found.left_out == {"pit_depth": 8}
        with pytest.raises(UnknownNameError, match="not calibrated"):
            found.interval("pit_depth", 5, 1)

    def test_comes_back_from_its_file(self, tmp_path: Path) -> None:
        made = calibration(facts={"reference": "HQ", "samples": ["A", "B"]}, level=0.8)
        made.save(tmp_path / "intervals.json")
        assert IntervalCalibration.load(tmp_path / "intervals.json") == made
        with pytest.raises(StorageError):
            made.save(tmp_path / "intervals.json")

    @pytest.mark.parametrize("text", ["{}", '{"format": "srseg intervals 1"}', '{"format": 2}'])
    def test_other_files_are_refused(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "other.json").write_text(text)
        with pytest.raises(FileFormatError, match=r"other\.json: no calibration"):
            IntervalCalibration.load(tmp_path / "other.json")

    def test_what_does_not_go_together(self) -> None:
        some = [measures(implant_volume=1.0)] * 9
        with pytest.raises(ParameterError, match="found 9, 8 and 9"):
            IntervalCalibration.fit(some, [some] * 8, some)
        with pytest.raises(ParameterError, match="two single planes"):
            IntervalCalibration.fit(some, [some[:1]] * 9, some)
        with pytest.raises(ParameterError, match="at least 9 calibration samples"):
            IntervalCalibration.fit(some[:8], [some] * 8, some[:8])
        with pytest.raises(ParameterError, match="level"):
            IntervalCalibration.fit(some, [some] * 9, some, level=1.0)


class TestAddIntervals:
    def test_measures_get_theirs(self) -> None:
        made = calibration(facts={"reference": "HQ"})
        found = measures(implant_volume=50.0, degradation_rate=0.5, layer_thickness=7.0)
        planes = [measures(implant_volume=v, degradation_rate=v / 100) for v in (49.0, 50, 52)]
        told = add_intervals(found, planes, made)
        assert told["implant_volume"].interval == made.interval(
            "implant_volume", 50.0, float(np.std([49, 50, 52], ddof=1))
        )
        assert told["degradation_rate"].interval is not None
        assert told["layer_thickness"].interval is None
        assert told.facts["intervals"] == {"level": 0.9, "reference": "HQ"}
        assert plane_spreads(planes)["implant_volume"] == pytest.approx(
            np.std([49, 50, 52], ddof=1)
        )

    def test_ends_stay_where_numbers_can_be(self) -> None:
        wide = CalibratedMeasure(False, 0.0, 10.0, 100.0, 9)
        names = ("bone_implant_contact", "degradation_rate", "layer_thickness")
        made = IntervalCalibration(dict.fromkeys(names, wide))
        found = measures(**dict.fromkeys(names, 5.0))
        told = add_intervals(found, [found, found], made)
        assert told["bone_implant_contact"].interval == (0, 100)
        assert told["layer_thickness"].interval == (0, 1005)
        assert told["degradation_rate"].interval == (-995, 1005)

    def test_no_number_no_interval(self) -> None:
        made = calibration()
        found = measures(implant_volume=math.nan, degradation_rate=0.5)
        told = add_intervals(found, [found, measures(implant_volume=1.0)], made)
        assert told["implant_volume"].interval is None
        assert told["degradation_rate"].interval is None
        assert told["degradation_rate"].note == "no interval: not every single plane has a number"
        assert told["implant_volume"].note == ""  # the measure says itself why it has no number

    def test_what_was_not_calibrated(self) -> None:
        found = measures(layer_thickness=12.0)
        (told,) = add_intervals(found, [found, found], calibration())
        assert (told.interval, told.note) == (None, "no interval: it was not calibrated")

    def test_numbers_that_were_made_in_another_way(self) -> None:
        def made(neighbourhood: int, value: float) -> Measures:
            settings = {"neighbourhood": neighbourhood, "days": value}
            return Measures((Measure("BIC", "BIC", value, "%", "…", settings),))

        of_all = [made(6, value) for value in range(10)]
        found = IntervalCalibration.fit(of_all, [[one, one] for one in of_all], of_all)
        assert found.measures["BIC"].settings == {"neighbourhood": 6}
        assert add_intervals(made(6, 5), of_all[:2], found)["BIC"].interval is not None
        (other,) = add_intervals(made(26, 5), of_all[:2], found)
        assert other.interval is None
        assert other.note == "no interval: it was calibrated for neighbourhood 6"
