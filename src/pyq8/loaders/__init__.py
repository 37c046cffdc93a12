"""From what a user has, a path or an iterable, to batches of model inputs.

Importing this package imports neither onnx nor Pillow.
"""

from pyq8.loaders.bound import BoundPreprocess
from pyq8.loaders.images import Images
from pyq8.loaders.inputs import InputSpec
from pyq8.loaders.loader import Loader
from pyq8.loaders.preprocess import Preprocess
from pyq8.loaders.presets import PRESETS, guess
from pyq8.loaders.sample import Batch
from pyq8.loaders.source import open_loader

__all__ = [
    "PRESETS",
    "Batch",
    "BoundPreprocess",
    "Images",
    "InputSpec",
    "Loader",
    "Preprocess",
    "guess",
    "open_loader",
]
