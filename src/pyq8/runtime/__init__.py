"""ONNX Runtime: sessions, running a model on images, what was really executed."""
