"""The open vocabularies: every industry, technology and keyword ever stored, and how to show it."""

from sqlalchemy import Column, Table, Text

from db.models.base import created_at, metadata

vocabulary_terms = Table(
    "vocabulary_terms",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("display_name", Text, nullable=False),
    created_at(),
)
