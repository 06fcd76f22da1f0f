"""What the network saw of a photo, for drift; rows from before, and models without, have none."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column."""
    op.add_column("predictions", sa.Column("features", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    """Forget the features."""
    op.drop_column("predictions", "features")
