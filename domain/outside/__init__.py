"""Tokens that others have issued: whom we believe, their keys, and which of our users bears such a token."""
