#!/bin/sh
# sh gate.sh             against baseline.json, on all images
# sh gate.sh --quick     against FP32, on 150 images
# sh gate.sh --accept    against FP32, on all images; where it passes, baseline.json is written
set -eu
case "${1:-}" in
    "") set -- --baseline baseline.json --junit check.xml --json check.json ;;
    --quick) set -- --samples 150 --seed 0 ;;
    --accept) set -- --baseline baseline.json --update-baseline ;;
    *) echo "gate.sh: $1 is unknown; --quick or --accept" >&2; exit 2 ;;
esac
pyq8 check model.onnx model.int8.onnx --data images --max-drop 2 --min-int8 1 "$@"
