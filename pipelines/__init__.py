"""The pipelines, wired from steps: ``zenml pipeline run training``."""

from pipelines.training import training as training
