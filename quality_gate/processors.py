"""How many processors a run may use."""

import os


def available_processors() -> int:
    """Processors this process may run on, 1 or more."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
