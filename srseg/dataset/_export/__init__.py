"""Scans and labels written for others to read."""
