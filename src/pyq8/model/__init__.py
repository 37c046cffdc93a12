"""The ONNX file, read and written: what is accepted, its operator sets, its inputs, where it came from."""
