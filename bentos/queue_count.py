"""How many photos wait for review, for a monitor that asks every few seconds."""

import asyncio
from collections.abc import Callable

from bentos.worker_pool import WorkerPool
from quality_gate.errors import UserError
from quality_gate.review.verdict import ReviewQueue

PATIENCE_S = 1.0


class QueueCount:
    """Counts beside everything else: never twice at once, and nobody waits long for a database that hangs.

    Args:
        count: does it, in a thread.
        pool: of that thread.
        patience_s: how long whoever asks waits, in seconds.
    """

    def __init__(self, count: Callable[[], ReviewQueue], pool: WorkerPool, *, patience_s: float = PATIENCE_S) -> None:
        self._count = count
        self._pool = pool
        self._patience_s = patience_s
        self._counting: asyncio.Task[ReviewQueue | None] | None = None

    async def now(self) -> ReviewQueue | None:
        """What waits; None while that cannot be told."""
        if self._counting is None:
            self._counting = asyncio.create_task(self._counted())
        counting = self._counting
        done, _ = await asyncio.wait({counting}, timeout=self._patience_s)
        if not done:
            return None
        # Whoever asked at the same time may have begun the next count already.
        if self._counting is counting:
            self._counting = None
        return counting.result()

    async def _counted(self) -> ReviewQueue | None:
        # SQLAlchemy is loaded with it, which a start need not wait for.
        from quality_gate.monitoring.database import LogUnavailable

        try:
            return await self._pool.run(self._count)
        except (LogUnavailable, UserError, OSError):
            return None
