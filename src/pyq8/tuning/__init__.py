"""Which nodes go back to FP32, and what each costs: see docs/explanation/tuning.md."""
