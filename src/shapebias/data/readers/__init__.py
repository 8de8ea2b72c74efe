"""One file per layout in which images with targets are published."""
