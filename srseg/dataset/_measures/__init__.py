"""Implant numbers of a label set, kept beside it: they are of that revision and of no other."""
