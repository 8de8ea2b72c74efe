"""Classification by transfer: models fine-tuned on other tasks, or their frozen features read out."""
