"""Images with targets: readers of every layout, decoding, transforms, loaders, and folders of made images."""
