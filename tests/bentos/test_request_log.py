import pytest

from bentos.request_log import request_id


@pytest.mark.parametrize("sent", ["a", "belt-7.42_X", "f" * 64])
def test_a_harmless_id_is_kept(sent):
    assert request_id(sent) == sent


@pytest.mark.parametrize("sent", [None, "", "f" * 65, "a b", "a\nb", "a\n", 'a"b', "ä", "a/b", "%0a"])
def test_any_other_id_is_replaced_by_one_of_its_own(sent):
    made = request_id(sent)

    assert made != sent
    assert len(made) == 32
    assert made != request_id(sent)
