"""The third form of a quantized model: what a region can compute of a QOperator graph becomes one `Region` node."""

from pyq8.rewrite.region.fuse import fuse

__all__ = ["fuse"]
