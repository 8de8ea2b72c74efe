"""Other tasks that a model is trained for: classification, segmentation, CAM pseudo-labels and the paper's ablation."""
