"""Training of the small AdaIN: its settings, perceptual losses and loop."""
