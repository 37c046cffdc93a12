"""The proof: which kernels really run, how accurate and how fast the quantized model is."""
