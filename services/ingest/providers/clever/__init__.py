"""Clever's Data API v3.0 and v3.1."""
