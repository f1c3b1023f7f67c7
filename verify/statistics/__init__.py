"""Intervals and estimates with a stated level."""
