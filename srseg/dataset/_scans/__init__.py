"""Scans: registered, cut to a region, aligned, prepared."""
