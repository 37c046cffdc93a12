"""Which layers lose most, and why."""
