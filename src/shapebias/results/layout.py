"""Names and schemas of the files beside a model's ``results.json`` that the report shows."""

from __future__ import annotations

DECISIONS_FILE = "decisions.json"
NEURONS_FILE = "neurons.json"
PICTURES_FOLDER = "pictures"
SEGMENTATION_INDEX, SEGMENTATION_SCHEMA = "pictures.json", "shapebias/segmentation-pictures/1"
CAM_INDEX, CAM_SCHEMA = "cam.json", "shapebias/cam-pictures/1"
ADVERSARIAL_MANIFEST, ADVERSARIAL_SCHEMA = "adversarial.json", "shapebias/adversarial/1"
