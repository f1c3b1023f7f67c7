"""The numerical experiments of section 5 of Soudry & Hoffer 2017, repeated with intervals and certificates."""

READING_ORDER = ("figure_5_1", "figure_5_2", "table_1", "training_and_volumes")
