"""The mathematics of the one-hidden-layer network: patterns, ranks, residuals, arrangements, minima."""
