"""Pseudo-labels from class activation maps: what a classifier of VOC's classes shows of where things are."""

from shapebias.tasks.cam.labels import at_threshold, best_classes, normalised
from shapebias.tasks.cam.raw import ClassMaps, class_maps
from shapebias.tasks.cam.scales import CamSettings, summed_cams

__all__ = ["CamSettings", "ClassMaps", "at_threshold", "best_classes", "class_maps", "normalised", "summed_cams"]
