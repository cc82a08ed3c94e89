"""The trees of a forest as plain arrays, checked before compiled code follows them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.tree._tree import NODE_DTYPE, Tree

from srseg.errors import ParameterError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAF, _NOT_SPLIT = -1, -2  # scikit-learn's own
_ROWS = 20_000  # voxels that go through all trees while they lie in a cache


@dataclass(frozen=True)
class Trees:
    """The nodes of all trees, one after the other.

    Parameters
    ----------
    first : ndarray of shape (n_trees + 1,), int64
        Where the nodes of each tree begin, and the end.
    left, right : ndarray of shape (n_nodes,), int32
        The nodes below, counted within the tree; -1 at a leaf.
    feature : ndarray of shape (n_nodes,), int32
        What is compared; -2 at a leaf.
    threshold : ndarray of shape (n_nodes,), float64
        Up to this, a voxel goes left.
    shares : ndarray of shape (n_nodes, K), float32
        Share of each class among the training voxels of a node.
    """

    first: NDArray[np.int64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    shares: NDArray[np.float32]

    @classmethod
    def of(cls, forest: Any, n_classes: int) -> Trees:
        """Take the trees of a forest of scikit-learn.

        Parameters
        ----------
        forest : RandomForestClassifier
            Fitted, on classes that are positions in a label table.
        n_classes : int
            Number of classes K; those that the forest does not know have no share.

        Returns
        -------
        Trees
            The trees.
        """
        trees = [tree.tree_ for tree in forest.estimators_]
        counts = np.concatenate([tree.value[:, 0] for tree in trees])
        shares = np.zeros((len(counts), n_classes), np.float32)
        shares[:, forest.classes_] = counts / counts.sum(1, keepdims=True)
        return cls(
            np.cumsum([0, *(tree.node_count for tree in trees)], dtype=np.int64),
            np.concatenate([tree.children_left for tree in trees]).astype(np.int32),
            np.concatenate([tree.children_right for tree in trees]).astype(np.int32),
            np.concatenate([tree.feature for tree in trees]).astype(np.int32),
            np.concatenate([tree.threshold for tree in trees]).astype(np.float64),
            shares,
        )

    def check(self, n_features: int, n_classes: int) -> None:
        """Refuse nodes that lead out of a tree or round in circles, and shares that are none.

        Compiled code that follows them reads memory at these numbers, unchecked; and a file may
        come from anyone.

        Parameters
        ----------
        n_features : int
            How many features voxels have.
        n_classes : int
            Number of classes K.

        Raises
        ------
        ValueError
            If they cannot be followed.
        """
        n = len(self.left)
        kinds = {
            "first": (np.int64, self.first.shape[:1]),
            "left": (np.int32, (n,)),
            "right": (np.int32, (n,)),
            "feature": (np.int32, (n,)),
            "threshold": (np.float64, (n,)),
            "shares": (np.float32, (n, n_classes)),
        }
        for name, (kind, shape) in kinds.items():
            found = getattr(self, name)
            if found.dtype != kind or found.shape != shape:
                raise ValueError(
                    f"the trees' {name} are {found.dtype} of shape {found.shape}; expected "
                    f"{np.dtype(kind)} of shape {shape}"
                )
        # differences of any numbers overflow, and repeat writes where a wrong sum of them ends
        within = len(self.first) > 1 and ((self.first >= 0) & (self.first <= n)).all()
        sizes = np.diff(self.first)
        if not within or self.first[0] != 0 or self.first[-1] != n or (sizes < 1).any():
            raise ValueError("the trees do not begin and end where their nodes do")
        own = np.arange(n) - np.repeat(self.first[:-1], sizes)
        leaf = self.left == _LEAF
        if ((self.right == _LEAF) != leaf).any():
            raise ValueError("a node of a tree has one node below it")
        size = np.repeat(sizes, sizes)
        for below in (self.left, self.right):
            # further down is further on: nothing goes round in circles
            if ((below <= own) | (below >= size))[~leaf].any():
                raise ValueError("a node of a tree leads back or out of the tree")
        if ((self.feature < 0) | (self.feature >= n_features))[~leaf].any():
            raise ValueError(f"a node of a tree compares what is none of {n_features} features")
        if not np.isfinite(self.threshold).all():
            raise ValueError("a node of a tree compares with no number")
        fine = np.isfinite(self.shares).all() and self.shares.min() >= 0
        if not fine or not np.allclose(self.shares.sum(1), 1, atol=1e-4):
            raise ValueError("the shares of classes in a tree are no probabilities")


class Follower:
    """Follows voxels down the trees, with scikit-learn's compiled code.

    Parameters
    ----------
    trees : Trees
        Checked.
    n_features : int
        How many features voxels have.
    """

    def __init__(self, trees: Trees, n_features: int) -> None:
        self._n_features = n_features
        self._shares: list[NDArray[np.float32]] = []
        self._trees: list[Any] = []
        for a, b in zip(trees.first[:-1].tolist(), trees.first[1:].tolist(), strict=True):
            nodes = np.zeros(b - a, NODE_DTYPE)
            nodes["left_child"], nodes["right_child"] = trees.left[a:b], trees.right[a:b]
            nodes["feature"], nodes["threshold"] = trees.feature[a:b], trees.threshold[a:b]
            nodes["feature"][nodes["left_child"] == _LEAF] = _NOT_SPLIT
            tree = Tree(n_features, np.array([1], np.intp), 1)
            values = np.zeros((b - a, 1, 1))
            tree.__setstate__(
                {"max_depth": 1, "node_count": b - a, "nodes": nodes, "values": values}
            )
            self._trees.append(tree)
            self._shares.append(np.ascontiguousarray(trees.shares[a:b]))

    def __call__(self, features: NDArray[np.float32], n_threads: int = 1) -> NDArray[np.float32]:
        """Give the mean shares of the leaves that voxels come to.

        Parameters
        ----------
        features : ndarray of shape (n_features, n), float32
            What is known of the voxels.
        n_threads : int, default=1
            How many threads follow voxels.

        Returns
        -------
        ndarray of shape (K, n), float32
            Probabilities.

        Raises
        ------
        ParameterError
            If it is not as many as the trees compare.
        """
        if len(features) != self._n_features:  # the compiled code would read beside them
            raise ParameterError(
                f"the forest was grown on {self._n_features} features, and sigmas, features and "
                f"dimensions now give {len(features)}; set them as they were, or fit again"
            )
        n = features.shape[1]
        found = np.empty((self._shares[0].shape[1], n), np.float32)

        def follow(start: int) -> None:
            rows = np.ascontiguousarray(features[:, start : start + _ROWS].T)
            total = np.zeros((len(rows), len(found)), np.float32)
            for tree, shares in zip(self._trees, self._shares, strict=True):
                total += shares[tree.apply(rows)]
            found[:, start : start + _ROWS] = (total / np.float32(len(self._trees))).T

        starts = range(0, n, _ROWS)
        if n_threads > 1 and len(starts) > 1:
            with ThreadPoolExecutor(n_threads) as threads:
                list(threads.map(follow, starts))
        else:
            for start in starts:
                follow(start)
        return found
