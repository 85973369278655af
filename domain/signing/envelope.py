"""Sealing of private keys: AES-256-GCM under a key drawn from LEADFUEL_JWT_SECRET (HKDF-SHA-256, RFC 5869).

What is sealed is bound to a label (the key's id, purpose, algorithm and public half), so a row that somebody
else writes into the table, or puts together from two, does not open and is no key.
"""

import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32


class DoesNotOpen(Exception):
    """It was sealed with another secret, for another label, or not by us."""


def seal(secret: str, plain: bytes, *, label: bytes) -> bytes:
    """A random nonce and the ciphertext behind it."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(_key(secret)).encrypt(nonce, plain, label)


def unseal(secret: str, sealed: bytes, *, label: bytes) -> bytes:
    """What was sealed; raises `DoesNotOpen`."""
    try:
        return AESGCM(_key(secret)).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], label)
    except (InvalidTag, ValueError):
        raise DoesNotOpen from None


def _key(secret: str) -> bytes:
    return HKDF(SHA256(), _KEY_BYTES, salt=None, info=b"leadfuel signing keys 1").derive(secret.encode())
