"""Evaluator of shape and texture neurons: a grid of stylized copies, pairs of them, and sums over their latents."""
