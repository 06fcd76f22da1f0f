"""API keys, and whose they are."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence

from bentos.refusals import Refusal
from quality_gate.api_keys import split_key

_HOW = "send one as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'"


class KeyRing:
    """The keys that open the service.

    Args:
        keys: any of them is enough, each as ``key`` or ``name:key``; without one the service is open.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        # Of equal length, so that a comparison tells nothing of the length of a key.
        named = [(name, _digest(key)) for name, key in map(split_key, keys)]
        self._names = {digest: name or f"key-{digest.hex()[:6]}" for name, digest in named}

    def check(self, headers: Mapping[str, str]) -> str | None:
        """Let a request pass that has a key.

        Returns:
            Whose key it is; of a key without a name something made of its digest. None where no key is needed.

        Raises:
            Refusal: 401, it has none, or a wrong one.
        """
        if not self._names:
            return None
        sent = _sent_key(headers)
        if sent is None:
            raise _refusal(f"An API key is needed; {_HOW}.")
        digest = _digest(sent)
        # Every key is compared, so that the time tells nothing of which one it was.
        found = [name for known, name in self._names.items() if hmac.compare_digest(digest, known)]
        if not found:
            raise _refusal(f"The API key is wrong; {_HOW}.")
        return found[0]


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()


def _sent_key(headers: Mapping[str, str]) -> str | None:
    key = headers.get("x-api-key")
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    return bearer.strip() if key is None and scheme.lower() == "bearer" else key


def _refusal(sentence: str) -> Refusal:
    return Refusal(401, sentence, {"WWW-Authenticate": "Bearer"})
