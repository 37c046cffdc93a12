"""The stopwatch, and all that times or profiles a model."""
