"""Pseudo-labels for segmentation from class activation maps of a classifier of VOC's classes, and their scores."""
