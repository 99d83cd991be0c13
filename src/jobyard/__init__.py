"""Jobyard runs finite work to completion and tells the truth about it."""

__version__ = "0.1.0"
