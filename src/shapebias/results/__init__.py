"""Results on disk: a file per model, comparisons, response files, the terminal's table; neither torch nor timm here."""
