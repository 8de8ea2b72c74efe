"""Classification by transfer: networks fine-tuned on, or read out for, other tasks."""
