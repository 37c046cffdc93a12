#!/bin/sh
# The target is named, not taken from the machine: CI makes the same model as a desk does.
set -eu
pyq8 quantize model.onnx --calib images --preprocess preprocess.toml --target vnni -o model.int8.onnx
