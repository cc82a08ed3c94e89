"""MHA, NRRD and NIfTI, and the segments of 3D Slicer."""
