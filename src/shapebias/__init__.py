"""Train vision networks to see shape instead of texture, measure it, and show it."""
