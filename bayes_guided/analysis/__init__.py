"""Pure functions of tensors and arrays: survival, readings, evidence."""
