"""Which cue a network goes by: cue conflicts, and images with a shape only (Table 1, left)."""
