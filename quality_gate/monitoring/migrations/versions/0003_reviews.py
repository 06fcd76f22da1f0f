"""Which answers people look at, and what they say of them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_FOR_REVIEW = sa.text("review_reason IS NOT NULL")


def upgrade() -> None:
    """Add reason and share to predictions, with indices of those that have them, and the tables of the review desk."""
    op.add_column("predictions", sa.Column("review_reason", sa.String(16), nullable=True))
    op.add_column("predictions", sa.Column("review_share", sa.Double(), nullable=True))
    for name, columns in (
        ("ix_predictions_review", ["gate", "time", "id"]),
        ("ix_predictions_photo", ["gate", "image_sha256"]),
    ):
        op.create_index(name, "predictions", columns, sqlite_where=_FOR_REVIEW, postgresql_where=_FOR_REVIEW)
    op.create_table(
        "reviews",
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("id", sa.Uuid(), nullable=False, unique=True),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("gate", sa.String(255), nullable=False),
        sa.Column("image_sha256", sa.String(64), nullable=False),
        sa.Column("reviewer", sa.String(64), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("label", sa.String(255), nullable=True),
        sa.Column("source", sa.String(16), nullable=False),
    )
    op.create_index("ix_reviews_photo", "reviews", ["gate", "image_sha256"])
    op.create_table(
        "review_undos",
        sa.Column("review_id", sa.Uuid(), primary_key=True),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "review_leases",
        sa.Column("gate", sa.String(255), primary_key=True),
        sa.Column("image_sha256", sa.String(64), primary_key=True),
        sa.Column("reviewer", sa.String(64), nullable=False),
        sa.Column("desk", sa.Uuid(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Forget the reviews, and which answers were for review."""
    for table in ("review_leases", "review_undos", "reviews"):
        op.drop_table(table)
    op.drop_index("ix_predictions_photo", "predictions")
    op.drop_index("ix_predictions_review", "predictions")
    op.drop_column("predictions", "review_share")
    op.drop_column("predictions", "review_reason")
