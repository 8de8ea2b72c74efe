"""Top-1 and top-5 on ImageNet and out-of-distribution sets (Tables 4 and 5)."""
