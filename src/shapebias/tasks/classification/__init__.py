"""Transfer to other classification tasks: by fine-tuning, or by a read-out of frozen features."""
