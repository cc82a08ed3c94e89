"""Check that a segmenter keeps the contract that its users and scikit-learn rely on."""

from __future__ import annotations

import warnings
from typing import Any

__all__ = ["check_segmenter"]


def check_segmenter(estimator: Any) -> None:
    """Check a segmenter on tiny made-up volumes; says nothing if all is well.

    scikit-learn's own checks skip whatever does not take a table of numbers. These take their
    place, for everything that is fitted on labelled volumes and labels volumes. The estimator is
    cloned and fitted four times on volumes of some 16 voxels along each axis: give it parameters
    that make it quick (the few iterations need not be enough to learn anything).

    - ``clone`` and ``set_params`` work, and an estimator that is not fitted says so.
    - ``fit`` returns the estimator, and changes neither its parameters nor the volumes.
    - ``predict`` gives one array for one array, a list for a list, an array of four axes for one,
      and a `Volume` on the same grid with the label table for a sample; all of the scan's shape
      and of values that the training labels have, never 255.
    - ``predict_proba``, where there is one, gives finite numbers in [0, 1] that add up to one.
    - ``score`` is the mean IoU of what ``predict`` gives, the background left out.
    - With every ``random_state`` set, fitting again gives the same labels, whatever happened to
      the global random states; so does a copy that was pickled.
    - Labels that are missing here and there (255) can be learned from.
    - ``predict_block_proba`` or ``predict_slices_proba``, where there is one, gives a probability
      for each class at each voxel, adding up to one, and nothing farther away than ``reach`` has an
      influence (not where ``reach`` is None): what begins later, at a multiple of ``stride``, gives
      the same farther inside than that.
    - What ``save`` writes, where there is one and the class has a name, ``load_model`` reads, and
      it predicts the same. `GridSearchCV` fits and scores it.
    - After a fit on arrays it predicts values that their labels have, and no class besides.
    - No volume, labels of another shape, and missing labels are refused with a ValueError.

    Parameters
    ----------
    estimator : estimator
        For example ``VolumeSegmenter(width=4, depth=1, input_size=16, max_iter=2)``; fitted or not,
        it stays as it is.

    Raises
    ------
    PluginError
        If the segmenter breaks a rule; the message says which.

    Examples
    --------
    >>> from srseg import VolumeSegmenter
    >>> check_segmenter(VolumeSegmenter(width=2, depth=1, input_size=8, max_iter=2, batch_size=2))
    """
    import numpy as np
    import torch

    from srseg.testing import _prediction_rules as more
    from srseg.testing import _segmenter_rules as rules

    # the global states are changed on purpose, and given back
    numpy_state = np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            # the volumes are few and small: a segmenter may well find one unlike the others
            warnings.simplefilter("ignore", UserWarning)
            fresh = rules.clones(estimator)
            rules.says_that_it_is_not_fitted(fresh)
            rules.refuses_what_cannot_be_learned(fresh)
            fitted = rules.fits_and_changes_nothing(fresh)
            rules.predicts_in_the_form_that_was_given(fitted)
            rules.probabilities_add_up(fitted)
            rules.score_is_the_mean_iou(fitted)
            rules.survives_pickling(fitted)
            rules.fits_the_same_again(fitted)
            rules.takes_samples(fresh)
            more.parts_give_what_the_whole_gives(fitted)
            more.travels_in_a_file(fitted)
            more.searches(fresh)
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
