"""The pipelines, wired from steps: ``zenml pipeline run training``, ``zenml pipeline run batch_prediction``."""

from pipelines.batch_prediction import batch_prediction as batch_prediction
from pipelines.training import training as training
