"""What neurons encode: dimensionality and their own correlations (Table 1, right)."""
