"""Webhooks: events sent to where a user wants them, signed as Standard Webhooks, at least once.

`announce` writes a delivery in the transaction of what happened; a loop of the worker sends it.
"""

from domain.webhooks.announcing import KINDS, Kind, announce, announce_all, forget_subjects

__all__ = ["KINDS", "Kind", "announce", "announce_all", "forget_subjects"]
