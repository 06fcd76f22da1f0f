"""How many processors a run may use."""

import math
import os
from contextlib import suppress
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")

# Where a container reads how many microseconds of processor time it may take in how many: cgroup v2 and v1.
_LIMITS = (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"))


def available_processors(cgroups: Path = CGROUPS) -> int:
    """Processors this process may run on, 1 or more; in a container no more than its limit keeps busy.

    Args:
        cgroups: where the system shows the limits of the container.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(allowed, _limit(cgroups) or allowed)


def _limit(cgroups: Path) -> int | None:
    """The limit of a container in processors, rounded up; None where it has none."""
    for files in _LIMITS:
        # There are no such files, or they say "max".
        with suppress(OSError, ValueError):
            quota, period = (int(number) for file in files for number in (cgroups / file).read_text().split())
            # Without a limit version 1 says -1.
            return math.ceil(quota / period) if quota > 0 else None
    return None
