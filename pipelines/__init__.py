"""The pipelines, wired from steps: ``zenml pipeline run training``, ``batch_prediction`` or ``drift``."""

from pipelines.batch_prediction import batch_prediction as batch_prediction
from pipelines.drift import drift as drift
from pipelines.training import training as training
