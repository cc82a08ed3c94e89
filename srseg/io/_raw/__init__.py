"""Bare voxels."""
