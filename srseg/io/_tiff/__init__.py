"""TIFF files and folders of slices."""
