"""A random forest of pixel features, as in Trainable Weka and ilastik."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from srseg.errors import ParameterError
from srseg.machine import usable_cores
from srseg_classical._brightness import check_number, check_whole
from srseg_classical._features import KINDS, Filters
from srseg_classical._kept import KeepsParameters
from srseg_classical._sampling import sample_voxels
from srseg_classical._trees import Follower, Trees

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from srseg.labels import LabelTable
    from srseg.training import LabelledVolume

_ARRAYS = ("first", "left", "right", "feature", "threshold", "shares")


class RandomForestSegmenter(KeepsParameters):
    """Pixel classification: a random forest of filters at several scales.

    This is what Trainable Weka Segmentation [1]_ and ilastik [2]_ do, here in three dimensions and
    without a limit on the size of scans: voxels to learn from are drawn from boxes here and there,
    as many of each class, and scans are labelled block by block.

    Parameters
    ----------
    n_estimators : int, default=50
        How many trees there are.
    sigmas : sequence of float, default=(1.0, 2.0, 4.0)
        Scales: standard deviations of the Gaussians in voxels, greater than 0.
    features : sequence of str, default=all
        Of ``"gaussian"``, ``"gradient"``, ``"laplacian"`` (of Gaussian), ``"difference"`` (of
        Gaussians), ``"hessian"`` and ``"structure"`` (eigenvalues); the grey value is always there.
    dimensions : {3, 2}, default=3
        Whether voxels know of their slice along z alone (2), as in Trainable Weka.
    samples : int, default=10000
        How many voxels of each class are learned from at most.
    balance : float, default=0.5
        How frequent the classes are taken to be: 1 for each as frequent as any other, which finds
        more of the rare ones where they are not too; 0 for as frequent as in the training labels.
    boxes : int, default=100
        In how many boxes, of 32 voxels along each axis, they lie at most.
    max_depth : int or None, default=None
        Levels of a tree; None for as many as there are.
    min_samples_leaf : int, default=5
        Voxels that a leaf has at least.
    n_jobs : int or None, default=None
        Cores that are used; None for all that may be.
    voxel_size : float or None, default=5.0
        Edge length in µm of the voxels that scans are resampled to; None takes the training scans'
        own.
    clip : tuple of float, default=(0.5, 99.9)
        Percentiles that become 0 and 1.
    labels : LabelTable, optional
        The classes; without, those of the training labels.
    max_memory : int or str, optional
        Bytes, or text such as ``"6GB"``, that the training volumes may take.
    scratch : path, optional
        A folder for what does not fit.
    random_state : int, RandomState or None, default=None
        Makes fitting repeatable.

    Attributes
    ----------
    n_voxels_ : list of int
        How many voxels of each class were learned from.
    importances_ : ndarray of shape (n_features,)
        How much each feature does to tell classes apart (mean decrease of the Gini impurity).
    sigmas_, features_, dimensions_ : list of float, list of str, int
        The filters of the fit; parameters that are set later are those of the next fit.

    References
    ----------
    .. [1] I. Arganda-Carreras et al., "Trainable Weka Segmentation", Bioinformatics 33, 2017.
    .. [2] S. Berg et al., "ilastik: interactive machine learning for (bio)image analysis", Nature
       Methods 16, 2019.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.zeros((16, 16, 16), np.uint8)
    >>> labels[:, 4:, :], labels[:, 10:, :] = 1, 2
    >>> model = RandomForestSegmenter(n_estimators=5, random_state=0)
    >>> model.fit([100.0 * labels], [labels]).score([100.0 * labels], [labels])
    1.0
    """

    block_voxels = 4_000_000

    def __init__(
        self,
        n_estimators: int = 50,
        sigmas: Sequence[float] = (1.0, 2.0, 4.0),
        features: Sequence[str] = KINDS,
        dimensions: Literal[2, 3] = 3,
        samples: int = 10_000,
        balance: float = 0.5,
        boxes: int = 100,
        max_depth: int | None = None,
        min_samples_leaf: int = 5,
        *,
        n_jobs: int | None = None,
        voxel_size: float | None = 5.0,
        clip: tuple[float, float] = (0.5, 99.9),
        labels: LabelTable | None = None,
        max_memory: int | str | None = None,
        scratch: str | Path | None = None,
        random_state: Any = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.sigmas = sigmas
        self.features = features
        self.dimensions = dimensions
        self.samples = samples
        self.balance = balance
        self.boxes = boxes
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.n_jobs = n_jobs
        self.voxel_size = voxel_size
        self.clip = clip
        self.labels = labels
        self.max_memory = max_memory
        self.scratch = scratch
        self.random_state = random_state

    used = ("sigmas", "features", "dimensions")
    sigmas_: list[float]
    features_: list[str]
    dimensions_: int
    n_voxels_: list[int]
    importances_: NDArray[np.float32]
    trees_: Trees

    @property
    def reach(self) -> int:  # type: ignore[override]
        """How far a voxel can influence another."""
        return self._filters().reach

    def check(self) -> None:
        """Refuse parameters that cannot work."""
        for name, least in {
            "n_estimators": 1, "samples": 10, "boxes": 1, "max_depth": 1, "min_samples_leaf": 1,
        }.items():  # fmt: skip
            if name != "max_depth" or self.max_depth is not None:
                check_whole(name, getattr(self, name), least)
        check_number("balance", self.balance, 0, 1)
        for sigma in _listed(self.sigmas):
            check_number("each of sigmas", sigma, 0, 20, above=True)
        if not _listed(self.sigmas):
            raise ParameterError("sigmas are one or more scales such as [1, 2, 4]; found none")
        features = _listed(self.features)
        foreign = [name for name in features if name not in KINDS]
        if foreign or not features:
            found = repr(foreign[0]) if foreign else "none"
            raise ParameterError(f"features are some of {', '.join(KINDS)}; found {found}")
        if self.dimensions not in (2, 3):
            raise ParameterError(f"dimensions is 3 or 2; found {self.dimensions!r}")

    def learn(self, volumes: Sequence[LabelledVolume], rng: np.random.Generator) -> None:
        """Grow the forest."""
        self.keep_parameters()
        filters, cores = self._filters(), self._cores()
        features, classes, counts, importance = sample_voxels(
            volumes,
            len(self.label_table_),
            int(self.boxes),
            int(self.samples),
            lambda block: filters(block, cores),
            filters.reach,
            rng,
        )
        forest = RandomForestClassifier(
            n_estimators=int(self.n_estimators),
            max_depth=self.max_depth,
            min_samples_leaf=int(self.min_samples_leaf),
            class_weight={
                k: (counts[k] / counts.sum()) ** (1 - self.balance) / n
                for k, n in enumerate(np.bincount(classes, importance))
                if n
            },
            n_jobs=cores,
            random_state=int(rng.integers(2**31 - 1)),
        )
        forest.fit(features, classes, sample_weight=importance)
        self.trees_ = Trees.of(forest, len(self.label_table_))
        self.importances_ = forest.feature_importances_.astype(np.float32)
        self.n_voxels_ = np.bincount(classes, minlength=len(self.label_table_)).tolist()
        self._follower = Follower(self.trees_, filters.n_features)

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Give the trees as plain arrays."""
        arrays = {name: getattr(self.trees_, name) for name in _ARRAYS}
        filters = self._filters()
        facts = {
            "n_voxels": self.n_voxels_,
            "sigmas": list(filters.sigmas),
            "features": list(filters.kinds),
            "dimensions": int(filters.dimensions),
        }
        return {**arrays, "importances": self.importances_}, facts

    def restore(self, arrays: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """Take over the trees of a file, after a check of every node."""
        if set(arrays) != {*_ARRAYS, "importances"} or set(facts) != {"n_voxels", *self.used}:
            raise ValueError(f"a forest is kept as {', '.join(_ARRAYS)} and importances")
        self.sigmas_, self.features_, self.dimensions_ = (facts[name] for name in self.used)
        self.check_kept()
        filters, n_classes = self._filters(), len(self.label_table_)
        self.trees_ = Trees(**{name: np.asarray(arrays[name]) for name in _ARRAYS})
        self.trees_.check(filters.n_features, n_classes)
        self.importances_ = np.asarray(arrays["importances"], np.float32)
        self.n_voxels_ = [int(n) for n in facts["n_voxels"]]
        if self.importances_.shape != (filters.n_features,) or len(self.n_voxels_) != n_classes:
            raise ValueError("what is told of the forest does not fit its features and classes")
        self._follower = Follower(self.trees_, filters.n_features)

    def predict_block_proba(
        self, block: NDArray[np.float32], wanted: tuple[slice, ...] | None = None
    ) -> NDArray[np.float32]:
        """Give the mean shares of the trees at each voxel of a box, or of a part of it."""
        cores = self._cores()
        features = self._filters()(block, cores)
        n_classes = len(self.label_table_)
        found = np.full((n_classes, *block.shape), 1 / n_classes, np.float32)
        part = found[:, *(wanted or [slice(None)] * 3)]
        # voxels that only surround the others need not go through the trees, which takes longest
        chosen = features[:, *(wanted or [slice(None)] * 3)].reshape(len(features), -1)
        part[...] = self._follower(chosen, cores).reshape(part.shape)
        return found

    @classmethod
    def test_parameters(cls) -> dict[str, Any]:
        """Give parameters for a quick check."""
        return {"n_estimators": 5, "sigmas": [1.0], "samples": 500}

    def _filters(self) -> Filters:
        sigmas, features = _listed(self.kept("sigmas")), _listed(self.kept("features"))
        return Filters(sigmas, features, self.kept("dimensions"))

    def _cores(self) -> int:
        return usable_cores() if self.n_jobs in (None, -1) else max(1, int(self.n_jobs or 1))


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple, np.ndarray)) else [value]
