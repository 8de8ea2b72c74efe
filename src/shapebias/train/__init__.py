"""Training: schemes, samples, the step and the loop."""
