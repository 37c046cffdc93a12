"""Corrections of what quantization does to a layer's output: between plan and rewrite, as data in the plan."""

from pyq8.correction.bias import bias_shifts

__all__ = ["bias_shifts"]
