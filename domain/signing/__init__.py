"""The keys that tokens are signed with: made, sealed, rotated, and known by every process."""
