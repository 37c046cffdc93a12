"""What is demanded of a quantized model, how sure the figures are, and the verdict."""
