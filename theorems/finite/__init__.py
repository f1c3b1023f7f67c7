"""Bounds at every finite size, sharper than the paper's: the finite-N note, F1 to F19."""

READING_ORDER = ("f10", "f13", "f15")
