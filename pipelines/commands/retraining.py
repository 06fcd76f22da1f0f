"""Makes ``zenml pipeline run retraining`` work: ZenML imports a module of that name and expects a pipeline."""

import sys

from pipelines import retraining

sys.modules[__name__] = retraining  # type: ignore[assignment]
