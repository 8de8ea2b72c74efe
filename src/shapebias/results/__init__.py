"""Results on disk: a file per model, comparisons, response files, the terminal's table. No torch here."""
