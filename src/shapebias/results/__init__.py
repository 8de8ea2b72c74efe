"""Results on disk: results files, comparisons, response files, the terminal table; imports neither torch nor timm."""
