"""Diff: what a snapshot changes against what is applied."""
