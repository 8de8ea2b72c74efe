"""Other tasks to train a model for: classification, segmentation, CAM pseudo-labels and the paper's ablation."""
