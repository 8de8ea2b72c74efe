"""Pure functions of arrays and tensors behind the metrics: no state, no files, no models."""
