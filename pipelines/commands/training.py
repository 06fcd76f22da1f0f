"""Makes ``zenml pipeline run training`` work: ZenML imports a module of that name and expects a pipeline."""

import atexit
import gc
import sys

from pipelines import training

# What the libraries hold stays until the command ends: looking through it for garbage, again and again and once more
# at the end, would take a third of the time of a run in which every step is cached.
gc.freeze()
gc.set_threshold(50_000)
atexit.register(gc.freeze)

sys.modules[__name__] = training  # type: ignore[assignment]
