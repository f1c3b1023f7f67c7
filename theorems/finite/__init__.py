"""Bounds at every finite size, sharper than the paper's: the finite-N note, F1 to F19."""

READING_ORDER = tuple(f"f{number}" for number in range(1, 20))
