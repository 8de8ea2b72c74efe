"""Images with targets: reading folders of every layout, decoding, transforms, and the order of the samples."""
