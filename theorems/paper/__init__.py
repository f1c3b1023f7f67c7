"""Soudry & Hoffer 2017, *Exponentially vanishing sub-optimal local minima in multilayer neural networks*."""

READING_ORDER = (
    "definition_1",
    "lemma_2",
    "definition_3",
    "definition_4",
    "definition_5",
    "theorem_6",
    "corollary_7",
    "theorem_8",
    "theorem_9",
    "theorem_10",
    "section_6",
)
