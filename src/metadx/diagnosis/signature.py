"""Who made a bundle: Ed25519 signatures, and the key of this machine's user."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from metadx.errors import UserError

_KEY = "signing.key"
_BYTES = 32


class Signature(NamedTuple):
    """A signature and the public key it is checked with, as hexadecimal text."""

    public_key: str
    signature: str


def keys_folder() -> Path:
    """Where this user's signing key is kept: $METADX_KEYS, or metadx in the user's configuration folder."""
    given = os.environ.get("METADX_KEYS")
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return Path(given) if given else config / "metadx"


def signing_key() -> Ed25519PrivateKey:
    """This user's key, made at the first use and readable by nobody else.

    Raises:
        UserError: the folder cannot be written, or the file is no key.
    """
    path = keys_folder() / _KEY
    try:
        if not path.exists():
            _make(path)
        content = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path}: the signing key cannot be kept there ({error.strerror}). Set METADX_KEYS to a folder of "
            "yours."
        ) from error
    if len(content) != _BYTES:
        raise UserError(f"{path}: is no signing key. Remove it, and a new one is made.")
    return Ed25519PrivateKey.from_private_bytes(content)


def sign(content: bytes) -> Signature:
    """This user's signature of `content`."""
    key = signing_key()
    return Signature(key.public_key().public_bytes_raw().hex(), key.sign(content).hex())


def to_bytes(signature: Signature) -> bytes:
    """The one way in which a signature is written."""
    return (json.dumps(signature._asdict()) + "\n").encode()


def from_bytes(content: bytes) -> Signature:
    """What `to_bytes` wrote.

    Raises:
        ValueError: it was written in any other way, be it a letter's case or a space.
    """
    plain = json.loads(content)
    try:
        signature = Signature(**plain)
    except TypeError as error:
        raise ValueError("not a signature") from error
    canonical = signature._replace(
        public_key=bytes.fromhex(str(signature.public_key)).hex(),
        signature=bytes.fromhex(str(signature.signature)).hex(),
    )
    if to_bytes(canonical) != content:
        raise ValueError("a signature written in another way")
    return canonical


def valid(signature: Signature, content: bytes) -> bool:
    """Whether the signature is of `content`, by the key that comes with it."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signature.public_key))
        key.verify(bytes.fromhex(signature.signature), content)
    except (InvalidSignature, ValueError):
        return False
    return True


def fingerprint(public_key: str) -> str:
    """A short name of a public key, 128 bits of its digest, to read out over the telephone."""
    digest = hashlib.sha256(bytes.fromhex(public_key)).hexdigest()[:32]
    return "-".join(digest[i : i + 4] for i in range(0, 32, 4))


def own_fingerprint() -> str | None:
    """The fingerprint of this user's key, if there is one."""
    with contextlib.suppress(OSError, ValueError):
        content = (keys_folder() / _KEY).read_bytes()
        public = Ed25519PrivateKey.from_private_bytes(content).public_key().public_bytes_raw()
        return fingerprint(public.hex())
    return None


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_name(f".{_KEY}.{uuid.uuid4().hex[:8]}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(Ed25519PrivateKey.generate().private_bytes_raw())
        with contextlib.suppress(FileExistsError):  # another process has just made one
            os.link(beside, path)
    finally:
        beside.unlink()
