"""Windows of one gate, or of one version of its model, without reading those of the others."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the indices."""
    op.create_index("ix_predictions_gate", "predictions", ["gate", "time", "id"])
    op.create_index("ix_predictions_model", "predictions", ["gate", "model_version", "time", "id"])


def downgrade() -> None:
    """Remove the indices."""
    op.drop_index("ix_predictions_model", "predictions")
    op.drop_index("ix_predictions_gate", "predictions")
