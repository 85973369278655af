"""What a user may see: hidden records, list members and unlocks, as bitmaps and as SQL.

One rule, two renderings. A contact is hidden when it is hidden itself or its company is; a company when
it is hidden itself. The bitmaps are cached per user under a version that triggers raise with every
change, and the version is read in the same statement as the ids, so a cached set is never older than
it says.
"""

import base64
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, Literal
from uuid import UUID

from pyroaring import BitMap
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import NotFound
from core.ids import UserId
from db.sessions import Actor, Database
from search.request import CountRequest, Entity

HiddenMode = Literal["exclude", "only", "include"]

# An id at or above the bound would be invisible, so the bound is kept this far above the highest id.
_BOUND_MARGIN: Final = 4_000_000
_LEAST_BOUND: Final = 2**24
_CACHED_USERS: Final = 256
# From this many hidden records on, a bit string is cheaper for PostgreSQL to count with than an anti-join.
BITS_FROM: Final = 100_000


class UnknownList(NotFound):
    """A list that does not exist, or that is somebody else's."""

    slug = "unknown-list"
    title = "There is no such list"


@dataclass(frozen=True)
class HiddenSet:
    """The hidden records of one user at one version."""

    version: int
    contacts: BitMap = field(default_factory=BitMap)
    organizations: BitMap = field(default_factory=BitMap)

    def __bool__(self) -> bool:
        return bool(self.contacts or self.organizations)

    @cached_property
    def _encoded(self) -> dict[tuple[str, int], str]:
        return {}

    def encoded_visible(self, entity: Entity, bound: int) -> str:
        """The bitmap of everything below `bound` that is not hidden, ready for OpenSearch."""
        return self._encode(entity, bound)

    def encoded_hidden(self, entity: Entity) -> str:
        return self._encode(entity, 0)

    def _encode(self, entity: Entity, bound: int) -> str:
        if (entity, bound) not in self._encoded:
            ids = self.contacts if entity == "contacts" else self.organizations
            self._encoded[entity, bound] = encode(ids.flip(0, bound) if bound else ids)
        return self._encoded[entity, bound]

    @cached_property
    def contact_bits(self) -> bytes:
        """Bit i of byte i // 8 says whether contact i is hidden, as PostgreSQL's get_bit reads it."""
        bits = bytearray((self.contacts.max() if self.contacts else 0) // 8 + 1)
        for i in self.contacts:
            bits[i >> 3] |= 1 << (i & 7)
        return bytes(bits)


def encode(ids: BitMap) -> str:
    """A bitmap in the portable format, base64, as a `terms` query of `value_type: bitmap` takes it."""
    compact = BitMap(ids)
    compact.run_optimize()
    return base64.b64encode(compact.serialize()).decode()


@dataclass(frozen=True)
class Visibility:
    """What one user sees in one search of `entity`. `wanted` are ids to keep to, `unwanted` to leave out."""

    actor: Actor
    entity: Entity
    mode: HiddenMode
    hidden: HiddenSet
    bound: int
    highest_organization: int
    lists: tuple[UUID, ...] = ()
    not_lists: tuple[UUID, ...] = ()
    unlocked: Literal["any", "only", "exclude"] = "any"
    wanted: tuple[BitMap, ...] = ()
    unwanted: tuple[BitMap, ...] = ()

    @property
    def user_id(self) -> UserId | None:
        return self.actor.user_id

    def opensearch_filters(self, entity: Entity | None = None) -> list[dict[str, Any]]:
        """The rule as filter clauses, positive ones: a bitmap in `must_not` costs more than the search."""
        entity = entity or self.entity
        clauses = self._hidden_clauses(entity)
        if entity == self.entity:
            clauses += [_bitmap("id", encode(ids)) for ids in self.wanted]
            clauses += [_bitmap("id", encode(ids.flip(0, self.bound))) for ids in self.unwanted]
        return clauses

    def _hidden_clauses(self, entity: Entity) -> list[dict[str, Any]]:
        mode = self.mode if entity == self.entity else "exclude"
        company = "organization_id" if entity == "contacts" else "id"
        if mode == "include":
            return []
        if mode == "exclude":
            clauses = []
            if entity == "contacts" and self.hidden.contacts:
                clauses.append(_bitmap("id", self.hidden.encoded_visible("contacts", self.bound)))
            if self.hidden.organizations:
                clauses.append(_bitmap(company, self.hidden.encoded_visible("organizations", self.bound)))
            return clauses
        either = [_bitmap(company, self.hidden.encoded_hidden("organizations"))]
        if entity == "contacts":
            either.append(_bitmap("id", self.hidden.encoded_hidden("contacts")))
        return [{"bool": {"should": either, "minimum_should_match": 1}}]

    def sql(
        self, entity: Entity | None = None, *, counting: bool = False
    ) -> tuple[list[str], dict[str, Any]]:
        """The rule as SQL predicates over the aliases c (contacts) and o (organizations), with parameters."""
        entity = entity or self.entity
        predicates, parameters = self._hidden_predicates(entity, counting=counting)
        if entity == self.entity:
            more, values = self._kept_predicates()
            predicates += more
            parameters |= values
        return predicates, parameters

    def _hidden_predicates(self, entity: Entity, *, counting: bool) -> tuple[list[str], dict[str, Any]]:
        mode = self.mode if entity == self.entity else "exclude"
        if mode == "include" or (mode == "exclude" and not self.hidden):
            return [], {}
        company = "c.organization_id" if entity == "contacts" else "o.id"
        by_company = (
            "EXISTS (SELECT 1 FROM app.hidden_companies hc"
            f" WHERE hc.user_id = :visible_to AND hc.organization_id = {company})"
        )
        by_contact = (
            "EXISTS (SELECT 1 FROM app.hidden_contacts hp"
            " WHERE hp.user_id = :visible_to AND hp.contact_id = c.id)"
        )
        parameters: dict[str, Any] = {"visible_to": self.user_id}
        if entity == "organizations":
            return [by_company if mode == "only" else f"NOT {by_company}"], parameters
        if mode == "only":
            return [f"({by_company} OR {by_contact})"], parameters
        if counting and len(self.hidden.contacts) >= BITS_FROM:
            bits = self.hidden.contact_bits
            parameters |= {"hidden_bits": bits, "hidden_bits_end": len(bits) * 8}
            by_contact = (
                "(CASE WHEN c.id < :hidden_bits_end THEN get_bit(CAST(:hidden_bits AS bytea), c.id) = 1"
                " ELSE false END)"
            )
        return [f"NOT {by_contact}", f"NOT {by_company}"], parameters

    def _kept_predicates(self) -> tuple[list[str], dict[str, Any]]:
        alias, table, column = (
            ("c", "list_contacts", "contact_id")
            if self.entity == "contacts"
            else ("o", "list_organizations", "organization_id")
        )
        member = (
            f"EXISTS (SELECT 1 FROM app.{table} l WHERE l.{column} = {alias}.id AND l.list_id = ANY(:{{}}))"
        )
        predicates: list[str] = []
        parameters: dict[str, Any] = {}
        if self.lists:
            predicates.append(member.format("in_lists"))
            parameters["in_lists"] = list(self.lists)
        if self.not_lists:
            predicates.append(f"NOT {member.format('not_in_lists')}")
            parameters["not_in_lists"] = list(self.not_lists)
        if self.unlocked != "any":
            key = "c.id" if self.entity == "contacts" else "NULL"
            owned = (
                "EXISTS (SELECT 1 FROM app.unlocks u"
                f" WHERE u.user_id = :unlocked_by AND u.contact_id = {key})"
            )
            predicates.append(owned if self.unlocked == "only" else f"NOT {owned}")
            parameters["unlocked_by"] = self.user_id
        return predicates, parameters


def _bitmap(path: str, encoded: str) -> dict[str, Any]:
    return {"terms": {path: [encoded], "value_type": "bitmap"}}


class HiddenCache:
    """The hidden sets of the users seen last. Safe to share: an entry is only used at its own version.

    What a user saw last is remembered, too: as a guess, which is to be compared with what they see now.
    """

    def __init__(self) -> None:
        self._sets: OrderedDict[UserId, HiddenSet] = OrderedDict()
        self._last: OrderedDict[tuple[UserId, Entity], Visibility] = OrderedDict()

    def get(self, user_id: UserId, version: int) -> HiddenSet | None:
        found = self._sets.get(user_id)
        if found is None or found.version != version:
            return None
        self._sets.move_to_end(user_id)
        return found

    def put(self, user_id: UserId, hidden: HiddenSet) -> None:
        self._sets[user_id] = hidden
        self._sets.move_to_end(user_id)
        while len(self._sets) > _CACHED_USERS:
            self._sets.popitem(last=False)

    def guess(self, request: CountRequest, entity: Entity, actor: Actor) -> Visibility | None:
        """What the user probably sees, or None where only the database can say."""
        if actor.user_id is None or not _is_plain(request):
            return None
        last = self._last.get((actor.user_id, entity))
        return last and replace(last, actor=actor, mode=request.hidden)

    def remember(self, request: CountRequest, seen: Visibility) -> None:
        if seen.user_id is not None and _is_plain(request):
            self._last[seen.user_id, seen.entity] = seen
            self._last.move_to_end((seen.user_id, seen.entity))
            while len(self._last) > _CACHED_USERS:
                self._last.popitem(last=False)


def _is_plain(request: CountRequest) -> bool:
    """Whether only hidden records restrict what is seen: no list and no unlock, which change unnoticed."""
    return not (request.in_lists or request.not_in_lists or request.unlocked != "any")


_VERSION_SQL: Final = """
    SELECT coalesce((SELECT version FROM app.visibility_versions WHERE user_id = {user_id}), 0),
           (SELECT coalesce(max(id), 0) FROM app.contacts),
           (SELECT coalesce(max(id), 0) FROM app.organizations)
"""
_VERSION = text(_VERSION_SQL.format(user_id=":user_id"))
_VERSION_ALONE: Final = _VERSION_SQL.format(user_id="$1")
_HIDDEN = text("""
    SELECT coalesce((SELECT version FROM app.visibility_versions WHERE user_id = :user_id), 0),
           (SELECT array_agg(contact_id) FROM app.hidden_contacts WHERE user_id = :user_id),
           (SELECT array_agg(organization_id) FROM app.hidden_companies WHERE user_id = :user_id)
""")


async def confirms(database: Database, guess: Visibility) -> bool:
    """Whether the user sees at this moment what the guess says; asked in the shortest way there is."""
    version, contact, organization = (await database.fetch(guess.actor, _VERSION_ALONE, guess.actor.user_id))[
        0
    ]
    now = (version, bound_above(max(contact, organization)))
    companies = guess.entity == "contacts" or guess.highest_organization == organization
    return now == (guess.hidden.version, guess.bound) and companies


async def load(
    session: AsyncSession,
    request: CountRequest,
    entity: Entity,
    *,
    actor: Actor,
    cache: HiddenCache,
) -> Visibility:
    """What the actor sees, in a session that runs as them; raises `UnknownList` for a list not theirs."""
    user_id = actor.user_id
    version, contact, organization = (await session.execute(_VERSION, {"user_id": user_id})).one()
    hidden = HiddenSet(version) if user_id is None or version == 0 else cache.get(user_id, version)
    if hidden is None and user_id is not None:
        row = (await session.execute(_HIDDEN, {"user_id": user_id})).one()
        hidden = HiddenSet(row[0], BitMap(row[1] or ()), BitMap(row[2] or ()))
        cache.put(user_id, hidden)
    wanted, unwanted = await _kept(session, request, entity, user_id=user_id)
    seen = Visibility(
        actor=actor,
        entity=entity,
        mode=request.hidden,
        hidden=hidden or HiddenSet(0),
        bound=bound_above(max(contact, organization)),
        highest_organization=organization,
        lists=tuple(request.in_lists),
        not_lists=tuple(request.not_in_lists),
        unlocked=request.unlocked,
        wanted=tuple(wanted),
        unwanted=tuple(unwanted),
    )
    cache.remember(request, seen)
    return seen


def bound_above(highest: int) -> int:
    """The end of the visible bitmap: well above every id in use, and the same from search to search."""
    bound = _LEAST_BOUND
    while bound < highest + _BOUND_MARGIN:
        bound *= 2
    return min(bound, 2**31)


async def _kept(
    session: AsyncSession, request: CountRequest, entity: Entity, *, user_id: UserId | None
) -> tuple[list[BitMap], list[BitMap]]:
    wanted: list[BitMap] = []
    unwanted: list[BitMap] = []
    if request.in_lists:
        wanted.append(await _members(session, request.in_lists, entity, path="in_lists"))
    if request.not_in_lists:
        unwanted.append(await _members(session, request.not_in_lists, entity, path="not_in_lists"))
    if request.unlocked != "any":
        unlocks: Sequence[int] = ()
        if entity == "contacts":
            found = await session.execute(
                text("SELECT DISTINCT contact_id FROM app.unlocks WHERE user_id = :user_id"),
                {"user_id": user_id},
            )
            unlocks = found.scalars().all()
        (wanted if request.unlocked == "only" else unwanted).append(BitMap(unlocks))
    return wanted, [ids for ids in unwanted if ids]


async def _members(session: AsyncSession, lists: list[UUID], entity: Entity, *, path: str) -> BitMap:
    """The members of lists that the session's user may read: row-level security decides, not this query."""
    known = await session.execute(text("SELECT id FROM app.lists WHERE id = ANY(:lists)"), {"lists": lists})
    missing = set(lists) - set(known.scalars())
    if missing:
        raise UnknownList(f"{path}: there is no list {min(missing)} for you.", list_id=str(min(missing)))
    table, column = (
        ("list_contacts", "contact_id") if entity == "contacts" else ("list_organizations", "organization_id")
    )
    members = await session.execute(
        text(f"SELECT {column} FROM app.{table} WHERE list_id = ANY(:lists)"),
        {"lists": lists},
    )
    return BitMap(members.scalars().all())
