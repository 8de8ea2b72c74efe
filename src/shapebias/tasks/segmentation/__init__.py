"""Transfer to segmentation: a backbone from any model with a head on its last feature map, scored by mIoU on VOC."""
