"""Rollcall's workers, one folder each; the modules beside them are shared by all."""
