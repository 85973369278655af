"""Passwords: hashed with argon2id in a small pool of threads, and judged before they are taken.

A check costs the same whether or not there is an account: without one the hash of a password that nobody has
is checked. The pool is bounded, its threads are polite to the others and take turns with those of the other
processes, and beyond a queue of a few seconds nobody is let in.
"""

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Final, Protocol, TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from core.settings import SignInSettings
from domain.auth import turns
from domain.auth.errors import OverRequestRateLimit, ValidationFailed, WeakPassword

T = TypeVar("T")

# More than a pass phrase has, and few enough to be hashed at no cost of note.
MAX_LENGTH: Final = 256
MAX_WAITING: Final = 100
_POLITENESS: Final = 10


class BreachedPasswords(Protocol):
    """Knows passwords that have been stolen somewhere before."""

    def __contains__(self, password: object) -> bool: ...


class CommonPasswords:
    """The 30,000 passwords that turn up most in published breaches, as zxcvbn brings them."""

    def __contains__(self, password: object) -> bool:
        return isinstance(password, str) and password.casefold() in _common()


class Hasher:
    """Hashes and checks passwords; one per process, to be closed."""

    def __init__(self, settings: SignInSettings) -> None:
        self._argon2 = PasswordHasher(
            time_cost=settings.hash_rounds,
            memory_cost=settings.hash_memory_kib,
            parallelism=1,
            type=Type.ID,
        )
        self._threads = ThreadPoolExecutor(
            settings.hash_threads, thread_name_prefix="argon2", initializer=_be_polite
        )
        self._waiting = 0
        # Of a password that nobody can type, so that no guess ever fits.
        self._nobody = self._argon2.hash(os.urandom(32))

    async def hash(self, password: str) -> str:
        """The hash to be stored."""
        return await self._run(self._argon2.hash, password)

    async def check(self, hashed: str | None, password: str) -> bool:
        """Whether the password is the one; the same work when there is none to compare with."""
        fits = await self._run(self._fits, hashed or self._nobody, password)
        return fits and hashed is not None

    def is_outdated(self, hashed: str) -> bool:
        """Whether the hash was made with less effort than is asked for now."""
        return self._argon2.check_needs_rehash(hashed)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[..., T], *arguments: str) -> T:
        if self._waiting >= MAX_WAITING:
            raise OverRequestRateLimit("Too many passwords wait to be checked.", retry_after_s=5)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, _in_turn, work, *arguments)
        finally:
            self._waiting -= 1

    def _fits(self, hashed: str, password: str) -> bool:
        try:
            return self._argon2.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False


def _in_turn(work: Callable[..., T], *arguments: str) -> T:
    with turns.taken():
        return work(*arguments)


def judge(settings: SignInSettings, password: str, *, breached: BreachedPasswords | None = None) -> None:
    """Refuse a password that is too short, too long or known to everybody."""
    if len(password) > MAX_LENGTH:
        raise ValidationFailed(f"A password can have {MAX_LENGTH} characters at the most.")
    if len(password) < settings.password_length:
        raise WeakPassword(
            f"Password should be at least {settings.password_length} characters.",
            weak_password={"reasons": ["length"]},
        )
    if password in (breached or CommonPasswords()):
        raise WeakPassword(
            "Password is known to be weak and easy to guess, please choose a different one.",
            weak_password={"reasons": ["pwned"]},
        )


@lru_cache(maxsize=1)
def _common() -> frozenset[str]:
    return frozenset(FREQUENCY_LISTS["passwords"])


def _be_polite() -> None:
    """Let the threads that answer requests go first: hashing takes a whole core while it lasts."""
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _POLITENESS)
