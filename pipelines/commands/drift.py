"""Makes ``zenml pipeline run drift`` work: ZenML imports a module of that name and expects a pipeline."""

import sys

from pipelines import drift

sys.modules[__name__] = drift  # type: ignore[assignment]
