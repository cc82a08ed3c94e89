"""Fully convolutional networks for srseg: a 3D V-Net, and the FCN-8s for slices.

``vnet`` is a segmenter: ``srseg.estimators.create_segmenter("vnet")``. ``fcn`` is a backbone:
``srseg.VolumeSegmenter("fcn")``.
"""

from srseg_fcn3d._fcn import FCN8s, fcn
from srseg_fcn3d._segmenter import VNetSegmenter

__all__ = ["FCN8s", "VNetSegmenter", "fcn"]
