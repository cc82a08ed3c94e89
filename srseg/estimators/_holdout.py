"""Holding samples out for validation: by subject, never by slice."""

from __future__ import annotations

import numbers
from typing import TYPE_CHECKING, Any

import numpy as np

from srseg.errors import ParameterError
from srseg.estimators._inputs import is_sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from srseg.volumes import Sample

_AUTO_SHARE = 0.2
_AUTO_SUBJECTS = 4  # with fewer, every subject is needed for training


def hold_out(
    samples: Sequence[Sample], validation: Any, seed: int
) -> tuple[list[Sample], list[Sample]]:
    """Divide samples into those to train on and those to validate on.

    Parameters
    ----------
    samples : sequence of Sample
        All samples given to ``fit``.
    validation : "auto", float, int, sequence of Sample or None
        As for :class:`srseg.VolumeSegmenter`.
    seed : int
        Draws the subjects.

    Returns
    -------
    training, held_out : list of Sample
        No subject is in both.

    Raises
    ------
    ParameterError
        If nothing would be left to train on, or `validation` is something else.
    """
    subjects = sorted({sample.subject for sample in samples})
    if validation is None:
        return list(samples), []
    if isinstance(validation, str):
        if validation != "auto":
            raise _refusal(validation)
        share = _AUTO_SHARE if len(subjects) >= _AUTO_SUBJECTS else 0.0
        count = round(share * len(subjects))
    elif isinstance(validation, bool):
        raise _refusal(validation)
    elif isinstance(validation, numbers.Integral):
        count = int(validation)
    elif isinstance(validation, numbers.Real):
        if not 0 <= float(validation) < 1:
            raise _refusal(validation)
        count = max(1, round(float(validation) * len(subjects))) if validation else 0
    else:
        return list(samples), _given(validation, samples)
    if not 0 <= count < len(subjects):
        raise ParameterError(
            f"validation={validation!r} would hold out {count} of {len(subjects)} subjects; at "
            "least one must be left to train on (one scan alone cannot be validated: use None)"
        )
    chosen = set(np.random.default_rng(seed).permutation(subjects)[:count].tolist())
    return (
        [sample for sample in samples if sample.subject not in chosen],
        [sample for sample in samples if sample.subject in chosen],
    )


def _given(validation: Any, samples: Sequence[Sample]) -> list[Sample]:
    if is_sample(validation):
        return [validation]
    try:
        given = [validation[i] for i in range(len(validation))]
    except (TypeError, IndexError, KeyError):
        raise _refusal(validation) from None
    if not given or not all(is_sample(sample) for sample in given):
        raise _refusal(validation)
    shared = {s.subject for s in given} & {s.subject for s in samples}
    if shared:
        raise ParameterError(
            f"subject {', '.join(sorted(shared))} is in the training and the validation samples; "
            "leave it out of one of them"
        )
    return given


def _refusal(validation: Any) -> ParameterError:
    return ParameterError(
        "validation is 'auto', a share of 0 to 1, a number of subjects, samples, or None; "
        f"found {validation!r}"
    )
