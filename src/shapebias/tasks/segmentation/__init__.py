"""Segmentation by transfer: a backbone from any start, a head on its last map, VOC's mean IoU."""
