"""Massart 1990, The tight constant in the Dvoretzky–Kiefer–Wolfowitz inequality, Ann. Probab. 18, 1269–1283."""

READING_ORDER = ("one_sided", "two_sided")
