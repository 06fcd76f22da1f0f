"""The schema of the prediction log, step by step, for Alembic."""
