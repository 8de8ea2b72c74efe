"""Evaluator of accuracy under corruptions: the answers to every cell (``corruptions``), and their scores."""
