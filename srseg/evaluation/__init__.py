"""How good a model is: folds by subject, IoU by sample and class, and the paper's Table 2."""

from srseg.evaluation._folds import folds_by_subject
from srseg.evaluation._models import evaluate_models
from srseg.evaluation._scores import SampleScores, evaluate_labels
from srseg.evaluation._table import ScoreRow, ScoreTable

__all__ = [
    "SampleScores",
    "ScoreRow",
    "ScoreTable",
    "evaluate_labels",
    "evaluate_models",
    "folds_by_subject",
]
