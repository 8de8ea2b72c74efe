"""Training the small AdaIN."""
