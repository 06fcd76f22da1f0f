"""Makes ``zenml pipeline run performance`` work: ZenML imports a module of that name and expects a pipeline."""

import sys

from pipelines import performance

sys.modules[__name__] = performance  # type: ignore[assignment]
