"""Confidence intervals: Wilson's for a share, the bootstrap over images, and Student's t over seeds."""
