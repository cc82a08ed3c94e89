"""Figures of cuts through scans, labels and probabilities, laid out for print."""
