"""Addresses checked and found for users: asked, tried again while it helps, paid once, logged once."""
