"""Makes ``zenml pipeline run tuning`` work: ZenML imports a module of that name and expects a pipeline."""

import sys

from pipelines import tuning

sys.modules[__name__] = tuning  # type: ignore[assignment]
