"""Every speed claim of the README, measured anew: ``python -m benchmarks.transfer`` and so on."""
