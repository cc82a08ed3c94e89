"""Quantities as people and files write them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srseg.errors import ParameterError
from srseg.units import parse_quantity, parse_size


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("2.4um", "um", 2.4),
        ("2.4 µm", "um", 2.4),  # micro sign
        ("2.4 μm", "um", 2.4),  # Greek mu
        (" 2.4\tum\n", "um", 2.4),
        ("0.0024 mm", "um", 2.4),
        ("2.4e-4 cm", "um", 2.4),
        ("2400nm", "um", 2.4),
        ("24000 Å", "um", 2.4),
        ("2.4 micrometer", "um", 2.4),
        ("2.4e-6m", "um", 2.4),
        ("+.5 mm", "um", 500),
        ("38keV", "keV", 38),
        ("0.038 MeV", "keV", 38),
        ("12 weeks", "day", 84),
        ("12 mm2", "mm^2", 12),
        ("12 mm^2", "cm**2", 0.12),
        ("1.74 g/cm3", "g/cm^3", 1.74),
        ("0.25 mm/year", "mm/year", 0.25),
    ],
)
def test_what_people_write(text, unit, expected):
    assert parse_quantity(text, unit) == expected


@given(st.floats(1e-6, 1e6))
def test_numbers_come_through_the_factor_of_their_unit(value):
    assert parse_quantity(f"{value!r} mm", "um") == pytest.approx(value * 1000, rel=1e-11)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2.4", "has no unit"),
        ("2.4 s", "not measured in um"),
        ("2.4 um^2", "not measured in um"),
        ("2.4 furlongz", "cannot read"),
        ("um", "cannot read"),
        ("", "cannot read"),
        ("nan um", "cannot read"),
        ("-2.4 um", "positive and finite"),
        ("0 um", "positive and finite"),
        ("1e400 um", "positive and finite"),
        ("2,4 um", "cannot read"),  # never 24 µm
        ("1_0 um", "cannot read"),
        ("2 um + 3 mm", "cannot read"),
        ("2 3 um", "cannot read"),
        ("(2) um", "cannot read"),
        ("0x10 um", "cannot read"),
        ("2.4 um\0", "cannot read"),
        ("1 um" + " " * 80, "too long"),
    ],
)
def test_what_is_refused(text, message):
    with pytest.raises(ParameterError, match=f"^voxel size: .*{message}.*for example '2.5um'"):
        parse_quantity(text, "um", name="voxel size")


@pytest.mark.parametrize(
    "text", ["9**9**9um", "1um**9**9**9", "1um^99999999", "1e999999999 um", "1" + "um*m" * 15]
)
def test_hostile_expressions_cost_nothing(text):
    with pytest.raises(ParameterError):
        parse_quantity(text, "um")


@given(st.text(max_size=64))
def test_any_text_gives_a_number_or_a_parameter_error(text):
    try:
        value = parse_quantity(text, "um")
    except ParameterError:
        return
    assert value > 0
    assert np.isfinite(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("6GB", 6_000_000_000),
        (" 300 mb ", 300_000_000),
        ("6GiB", 6 * 2**30),
        ("1.5tib", 3 * 2**39),
        (".5kB", 500),
        ("64KiB", 65536),
        ("17B", 17),
    ],
)
def test_sizes_that_people_write(text, expected):
    assert parse_size(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("6", "cannot read '6'"),
        ("6G", "cannot read"),  # SLURM's is 1024, that of others 1000
        ("6 Gb/s", "cannot read"),
        ("-6GB", "cannot read"),
        ("1e9B", "cannot read"),
        ("6,5GB", "cannot read"),
        ("6iB", "cannot read"),
        ("6PB", "cannot read"),
        ("nan GB", "cannot read"),
        ("", "cannot read"),
        ("9" * 99 + "GB", "cannot read"),
        ("0GB", "must be positive"),
        ("0.1B", "must be positive"),
    ],
)
def test_what_is_no_size(text, message):
    with pytest.raises(ParameterError, match=rf"--max-memory: .*{message}.*for example '6GB'"):
        parse_size(text, name="--max-memory")
