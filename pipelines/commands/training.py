"""Makes ``zenml pipeline run training`` work: ZenML imports a module of that name and expects a pipeline."""

import sys

from pipelines import training

sys.modules[__name__] = training  # type: ignore[assignment]
