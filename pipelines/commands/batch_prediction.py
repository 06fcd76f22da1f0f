"""Makes ``zenml pipeline run batch_prediction`` work: ZenML imports a module of that name and expects a pipeline."""

import sys

from pipelines import batch_prediction

sys.modules[__name__] = batch_prediction  # type: ignore[assignment]
