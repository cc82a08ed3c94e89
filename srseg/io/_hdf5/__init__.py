"""HDF5 and NeXus files: found, looked at safely, read, written, verified."""
