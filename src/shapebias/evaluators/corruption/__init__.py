"""Accuracy on ImageNet-C's corruptions (Table 4)."""
