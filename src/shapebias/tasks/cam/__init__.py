"""Segmentation pseudo-labels from class activation maps of a classifier of VOC's classes, and their evaluation."""
