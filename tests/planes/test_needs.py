"""How few sizes there are, against all ways of rounding them up."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from srseg.planes._needs import Needs, rectangles


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.sampled_from([1, 4]))
def test_sizes_are_as_few_as_two_percent_of_the_pixels_allow(widths, stride):
    rows = np.array([[0, 10]] * len(widths))
    needs = Needs(rows, np.array([[60 - width, 60] for width in widths]))
    batches = rectangles(needs, (10, 60), 1, stride, 0)
    for batch, width in zip(batches, widths, strict=True):
        assert 0 <= batch.columns.start <= 60 - width
        assert 60 <= batch.columns.stop <= 60 + stride - 1
        assert batch.columns.start % stride == batch.size[2] % stride == 0
    starts = [(60 - width) // stride * stride for width in widths]
    exact = [-(-(60 - start) // stride) * stride for start in starts]
    got = [batch.size[2] for batch in batches]
    assert sum(got) <= 1.02 * sum(exact)

    def total(sizes):
        return sum(min((s for s in sizes if s >= size), default=np.inf) for size in exact)

    fewer = itertools.combinations(sorted(set(exact)), len(set(got)) - 1)
    assert all(total(sizes) > 1.02 * sum(exact) for sizes in fewer)


def test_of_slices_of_many_thousand_pixels_neighbouring_sizes_are_one():
    widths = np.arange(1, 5001)
    needs = Needs(
        np.array([[0, 10]] * len(widths)), np.stack([5000 - widths, np.full(5000, 5000)], 1)
    )
    got = np.array([batch.size[2] for batch in rectangles(needs, (10, 5000), 1, 1, 0)])
    assert (got >= widths).all()
    assert len(set(got.tolist())) <= 50
    assert got.sum() <= 1.03 * widths.sum()
