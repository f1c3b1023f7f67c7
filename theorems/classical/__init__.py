"""Facts with known values that the estimators of the suite must reproduce. They run before everything else."""

READING_ORDER = ("cover", "wendel", "orthants", "baum")
