"""How good a model is, and which to choose: folds, kept fits, IoU, the paper's Table 2."""

from srseg.evaluation._compare import ComparisonPlan, compare_segmenters, plan_comparison
from srseg.evaluation._compare_run import JobDone
from srseg.evaluation._compare_study import CompareJob
from srseg.evaluation._compare_table import ComparedMethod, MethodTable
from srseg.evaluation._folds import Folds, make_folds
from srseg.evaluation._held_out import evaluate_held_out, held_out_samples
from srseg.evaluation._kept_fit import KeptFit, fits_in, scores_in
from srseg.evaluation._kept_jobs import KeptJobs
from srseg.evaluation._kept_results import SearchJob, kept_results, search_jobs
from srseg.evaluation._kinds import models_by_kind
from srseg.evaluation._models import evaluate_models
from srseg.evaluation._scores import SampleScores, evaluate_labels
from srseg.evaluation._search_plan import (
    CandidatePlan,
    halving_rounds,
    plan_search,
    voxels_seen,
)
from srseg.evaluation._slabs import Slab, cut_into_slabs
from srseg.evaluation._table import ScoreRow, ScoreTable
from srseg.evaluation._training_speed import training_memory, training_speed

__all__ = [
    "CandidatePlan",
    "CompareJob",
    "ComparedMethod",
    "ComparisonPlan",
    "Folds",
    "JobDone",
    "KeptFit",
    "KeptJobs",
    "MethodTable",
    "SampleScores",
    "ScoreRow",
    "ScoreTable",
    "SearchJob",
    "Slab",
    "compare_segmenters",
    "cut_into_slabs",
    "evaluate_held_out",
    "evaluate_labels",
    "evaluate_models",
    "fits_in",
    "halving_rounds",
    "held_out_samples",
    "kept_results",
    "make_folds",
    "models_by_kind",
    "plan_comparison",
    "plan_search",
    "scores_in",
    "search_jobs",
    "training_memory",
    "training_speed",
    "voxels_seen",
]
