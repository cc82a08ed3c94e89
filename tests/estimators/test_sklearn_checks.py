"""scikit-learn's own checks, and what takes the place of those that need a table of numbers.

An estimator that says ``two_d_array=False`` is spared nearly every check. The subclasses below
claim to take tables, so that all checks run: those that fit one are expected to fail, and the table
says where the same is checked on volumes.
"""

from pathlib import Path

import pytest
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from srseg import MultiAxisEnsemble, VolumeSegmenter
from srseg.testing import _segmenter_rules

# the check: the rule of check_segmenter or the test in this folder that replaces it
REPLACED = {
    "check_fit_score_takes_y": "score_is_the_mean_iou",
    "check_estimators_overwrite_params": "fits_and_changes_nothing",
    "check_dont_overwrite_parameters": "test_fit_changes_neither_parameters_nor_volumes",
    "check_estimators_fit_returns_self": "fits_and_changes_nothing",
    "check_readonly_memmap_input": "test_memory_maps_that_are_read_only_are_fine",
    "check_positive_only_tag_during_fit": "test_scans_of_any_type_and_order_give_the_same",
    "check_estimators_dtypes": "test_scans_of_any_type_and_order_give_the_same",
    "check_complex_data": "test_input_that_cannot_be_is_refused",
    "check_dtype_object": "test_every_form_of_input_gives_the_same_weights",
    "check_estimators_empty_data_messages": "refuses_what_cannot_be_learned",
    "check_pipeline_consistency": "test_pickling_and_pipelines",
    "check_estimators_pickle": "survives_pickling",
    "check_f_contiguous_array_estimator": "test_scans_of_any_type_and_order_give_the_same",
    "check_methods_sample_order_invariance": "predicts_in_the_form_that_was_given",
    "check_methods_subset_invariance": "predicts_in_the_form_that_was_given",
    "check_fit2d_1sample": "test_every_form_of_input_gives_the_same_weights",
    "check_dict_unchanged": "test_fit_changes_neither_parameters_nor_volumes",
    "check_fit_idempotent": "fits_the_same_again",
    "check_fit_check_is_fitted": "test_predict_needs_a_fit",
    "check_fit2d_predict1d": "test_input_that_cannot_be_is_refused",
}
# only what takes sample_weight itself is asked
WEIGHTS = {
    "check_sample_weights_pandas_series": "test_slices_of_a_scan_with_more_weight_are_drawn_more",
    "check_sample_weights_not_an_array": "test_slices_of_a_scan_with_more_weight_are_drawn_more",
    "check_sample_weights_list": "test_slices_of_a_scan_with_more_weight_are_drawn_more",
    "check_all_zero_sample_weights_error": "test_weights_that_cannot_be_are_refused",
    "check_sample_weights_shape": "test_weights_that_cannot_be_are_refused",
    "check_sample_weights_not_overwritten": "test_weights_that_cannot_be_are_refused",
    "check_sample_weight_equivalence_on_dense_data": (
        "test_slices_of_a_scan_with_more_weight_are_drawn_more"
    ),
}
# volumes have no columns
MEANINGLESS = {
    "check_n_features_in_after_fitting": "a volume has no number of features",
    "check_n_features_in": "a volume has no number of features",
    "check_fit2d_1feature": "a volume has no features",
}


class TableSegmenter(VolumeSegmenter):
    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags


class TableEnsemble(MultiAxisEnsemble):
    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags


def expected_failures(estimator):
    replaced = {**REPLACED, **(WEIGHTS if isinstance(estimator, TableSegmenter) else {})}
    return {**{c: f"see {place}" for c, place in replaced.items()}, **MEANINGLESS}


@parametrize_with_checks(
    [TableSegmenter(), TableEnsemble(TableSegmenter())],
    expected_failed_checks=expected_failures,
    xfail_strict=True,
)
def test_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("place", sorted({*REPLACED.values(), *WEIGHTS.values()}))
def test_what_replaces_a_check_is_there(place):
    here = "".join(p.read_text() for p in Path(__file__).parent.glob("test_*.py"))
    assert place in _segmenter_rules.__all__ or f"def {place}(" in here


@pytest.mark.parametrize("estimator", [VolumeSegmenter(), MultiAxisEnsemble(VolumeSegmenter())])
def test_tags_say_what_is_taken(estimator):
    tags = get_tags(estimator)
    assert tags.input_tags.three_d_array
    assert not tags.input_tags.two_d_array
    assert tags.input_tags.allow_nan
    assert not tags.target_tags.required
    assert tags.estimator_type is None  # label volumes are no class labels to scikit-learn
