import pytest

from bentos.authentication import KeyRing
from bentos.refusals import Refusal

KEYS = ("old-key-0123456789", "new-key-0123456789")


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("way", ["authorization", "x-api-key"])
def test_any_key_opens_in_either_header(key, way):
    KeyRing(KEYS).check({way: f"Bearer {key}" if way == "authorization" else key})


def test_a_key_says_whose_it_is():
    ring = KeyRing(["ana:0123456789abcdef", "ana:fedcba9876543210", KEYS[0], KEYS[1]])

    def whose(key):
        return ring.check({"x-api-key": key})

    assert whose("0123456789abcdef") == whose("fedcba9876543210") == "ana"
    unnamed = {whose(KEYS[0]), whose(KEYS[1])}
    assert len(unnamed) == 2
    assert all(name.startswith("key-") and len(name) == 10 for name in unnamed)
    with pytest.raises(Refusal):
        whose("ana:0123456789abcdef")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-api-key": ""},
        {"x-api-key": "old-key-012345678"},
        {"x-api-key": "old-key-0123456789 "},
        {"x-api-key": "old-key-0123456789,new-key-0123456789"},
        {"x-api-key": "\udcff"},
        {"x-api-key": "wrong", "authorization": "Bearer old-key-0123456789"},
        {"authorization": "old-key-0123456789"},
        {"authorization": "Basic old-key-0123456789"},
        {"authorization": "Bearer"},
        {"authorization": "Bearer ÿ"},
    ],
)
def test_without_a_right_key_nothing_opens(headers):
    with pytest.raises(Refusal) as refused:
        KeyRing(KEYS).check(headers)

    assert refused.value.status == 401
    assert refused.value.headers == {"WWW-Authenticate": "Bearer"}
    assert "key-0123" not in refused.value.sentence


def test_every_key_is_compared_whichever_fits(monkeypatch):
    compared = []
    monkeypatch.setattr("bentos.authentication.hmac.compare_digest", lambda a, b: compared.append(b) or a == b)

    KeyRing(KEYS).check({"x-api-key": KEYS[0]})

    assert len(set(compared)) == 2


def test_without_keys_everything_is_open():
    assert KeyRing(()).check({}) is None
