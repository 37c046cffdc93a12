"""Put the FP32 model, the images and their preprocessing here.

These are the embedded digits. Yours come from where you keep them: git LFS, a bucket, a registry.
"""

from __future__ import annotations

import shutil

from pyq8.loaders.datasets import dataset

digits = dataset("digits")
shutil.copy(digits / "digits.onnx", "model.onnx")
shutil.copy(digits / "preprocess.toml", "preprocess.toml")
shutil.copytree(digits / "images", "images", dirs_exist_ok=True)
