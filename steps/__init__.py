"""The steps of the pipelines: one a file, each takes artifacts, calls the domain and returns artifacts."""

# ZenML learns how to keep the domain's values when this module is imported, and imports it before any step.
from steps import materializers as materializers
