"""Boxes: what a detector's outputs say, what is really in the images, and which of them match."""
