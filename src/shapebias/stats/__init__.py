"""Confidence intervals: of a share, of ratios and paired differences over images, and of a mean over seeds."""
