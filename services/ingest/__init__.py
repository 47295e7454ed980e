"""Ingest: when a night begins, pulling a district's roster, writing it as a snapshot."""
