"""Ids with types of their own, so that a contact's id passed for a company's is a type error."""

from typing import NewType
from uuid import UUID

UserId = NewType("UserId", UUID)
ContactId = NewType("ContactId", int)
OrganizationId = NewType("OrganizationId", int)
ListId = NewType("ListId", UUID)
ImportId = NewType("ImportId", UUID)

# Ids of contacts and organizations are dense and 32 bits wide: the bitmaps of hidden records depend on it.
MAX_RECORD_ID = 2**31 - 1
