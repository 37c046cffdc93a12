"""Statistics of tensors, from one run over the images."""
