"""Evaluators of adversarial robustness: white-box attacks, and attacks transferred from another model.

Both attack a set of images batch by batch (``batches``), resume, and give one column of results per attack and epsilon
(``columns``). Transferred attacks are stored as a set of images (``adversarial_set``).
"""
