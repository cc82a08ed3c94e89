"""Folds that never divide a subject."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold

from srseg.errors import ParameterError
from srseg.evaluation._slabs import cut_into_slabs

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from srseg.volumes import Sample

    Split = tuple[NDArray[np.intp], NDArray[np.intp]]


@dataclass(frozen=True, eq=False)
class Folds:
    """How samples are divided for cross-validation.

    Parameters
    ----------
    samples : Dataset or sequence of Sample
        What goes into ``fit`` of scikit-learn's searches: the samples that were given, or the slabs
        of one.
    splits : tuple of (train, test)
        Indices into the samples, for each fold: what goes into ``cv=``.
    how : str
        How they were made, in words for the user.
    """

    samples: Any
    splits: tuple[Split, ...]
    how: str

    @property
    def names(self) -> list[list[str]]:
        """Names of the samples that are held out in each fold."""
        samples = list(self.samples)
        return [[samples[i].name for i in test] for _, test in self.splits]


def make_folds(
    X: Any,
    n_splits: int = 4,
    *,
    stratify: Sequence[str] = ("alloy", "beamline"),
    gap: int | None = None,
) -> Folds:
    """Divide samples into folds for cross-validation, all samples of a subject in one fold.

    Slices of one scan, and scans of one animal, look alike: a division that cuts through them
    rewards memory. The paper uses 4 folds over 14 samples. Where the metadata tell alloy and
    beamline, each fold gets of each kind what it can
    (:class:`sklearn.model_selection.StratifiedGroupKFold`). One sample alone is cut into slabs.

    Parameters
    ----------
    X : Dataset or sequence of Sample
        The samples: of at least `n_splits` subjects, or one alone.
    n_splits : int, default=4
        Number of folds, at least 2.
    stratify : sequence of str, default=("alloy", "beamline")
        Keys of the metadata whose values are spread over the folds.
    gap : int, optional
        For one sample: voxels of the scan that are left out between two slabs, see
        `cut_into_slabs`.

    Returns
    -------
    Folds
        The samples, the indices for each fold, and how it was done.

    Raises
    ------
    ParameterError
        If there are fewer subjects than folds, or fewer than two folds are asked for.

    Examples
    --------
    >>> import numpy as np
    >>> from srseg.volumes import ArraySample, Volume
    >>> scan = Volume.from_array(np.zeros((2, 2, 2)))
    >>> samples = [
    ...     ArraySample(name, scan, metadata={"alloy": alloy})
    ...     for name, alloy in zip("abcd", ["Mg-5Gd", "Mg-5Gd", "Mg-10Gd", "Mg-10Gd"])
    ... ]
    >>> folds = make_folds(samples, 2)
    >>> folds.names
    [['a', 'c'], ['b', 'd']]
    >>> print(folds.how)
    2 folds by subject, stratified by alloy (beamline is not known of every sample)
    """
    if n_splits < 2:
        raise ParameterError(f"cross-validation needs at least 2 folds, found {n_splits}")
    samples: list[Sample] = list(X)
    if len(samples) == 1:
        slabs = cut_into_slabs(samples[0], n_splits, gap)
        how = (
            f"{n_splits} slabs of the one sample, {slabs[0].name} to {slabs[-1].name}: they are of "
            "one scan, so the scores say nothing of other scans"
        )
        return Folds(slabs, tuple(KFold(n_splits).split(slabs)), how)
    subjects = [sample.subject for sample in samples]
    distinct = len(set(subjects))
    if distinct < n_splits:
        raise ParameterError(
            f"{n_splits} folds need at least as many subjects, found {distinct} in "
            f"{len(subjects)} samples; use fewer folds, add scans of other subjects, or give one "
            "sample alone, which is cut into slabs"
        )
    strata, how = _strata(samples, n_splits, stratify)
    splits = _stratified(strata, subjects, n_splits) if strata else ()
    if strata and not splits:
        how = "not stratified, because a fold would have been left empty"
    if not splits:
        splits = tuple(GroupKFold(n_splits).split(subjects, groups=subjects))
    return Folds(X, splits, f"{n_splits} folds by subject, {how}")


def _strata(samples: Sequence[Sample], n_splits: int, keys: Sequence[str]) -> tuple[list[str], str]:
    """Give the kind of each sample, empty where there are none to tell apart, and say why."""
    known = [key for key in keys if all(s.metadata.get(key) not in (None, "") for s in samples)]
    unknown = [key for key in keys if key not in known]
    missing = (
        f"{' and '.join(unknown)} {'is' if len(unknown) == 1 else 'are'} not known of every sample"
        if unknown
        else ""
    )
    used = [key for key in known if len({str(s.metadata[key]) for s in samples}) > 1]
    alike = [key for key in known if key not in used]
    same = f"all samples have the same {' and '.join(alike)}" if alike else ""
    if not used:
        why = "; ".join(filter(None, (same, missing))) or "nothing to stratify by was named"
        return [], f"not stratified, because {why}"
    kinds = {
        count: [" ".join(str(s.metadata[key]) for key in used[:count]) for s in samples]
        for count in range(len(used), 0, -1)
    }
    for count, strata in kinds.items():
        if Counter(strata).most_common(1)[0][1] >= n_splits:
            rare = f"too few samples of each kind to add {' and '.join(used[count:])}"
            but = "; ".join(filter(None, (rare if used[count:] else "", same, missing)))
            how = f"stratified by {' and '.join(used[:count])}" + (f" ({but})" if but else "")
            return strata, how
    return [], f"not stratified by {used[0]}, because no kind has {n_splits} samples"


def _stratified(strata: Sequence[str], subjects: Sequence[str], n_splits: int) -> tuple[Split, ...]:
    """Spread the kinds over the folds; empty where that leaves a fold without samples."""
    with warnings.catch_warnings():
        # a kind of fewer samples than folds cannot be in each of them; the others can
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        found = tuple(StratifiedGroupKFold(n_splits).split(subjects, strata, subjects))
    return found if all(len(train) and len(test) for train, test in found) else ()
