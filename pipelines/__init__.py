"""The pipelines, wired from steps; ``zenml pipeline run NAME`` runs each by its name."""

from pipelines.batch_prediction import batch_prediction as batch_prediction
from pipelines.drift import drift as drift
from pipelines.performance import performance as performance
from pipelines.retraining import retraining as retraining
from pipelines.training import training as training
from pipelines.tuning import tuning as tuning
