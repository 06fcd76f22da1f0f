"""The pipelines, wired from steps: ``zenml pipeline run training``, ``... batch_prediction``, ``... retraining``."""

from pipelines.batch_prediction import batch_prediction as batch_prediction
from pipelines.retraining import retraining as retraining
from pipelines.training import training as training
