import pytest

from quality_gate.standing import MOST_CANDIDATES, Candidates, Standing, moment, standing

TO_COME = ("next promotion", "next build")


@pytest.fixture
def champion(make_entry):
    """Makes a champion of a promotion and the digest of its answers."""

    def make(promotion, answers):
        digests = {"answers": answers, "reference": "r" * 64}
        return make_entry("promoted", "7", promotion=promotion, digests=digests)

    return make


def find(champions, candidate, build=None):
    return standing(champions, candidate, to_come=TO_COME, build_of=lambda champion: build)


def test_the_first_candidate_has_no_rival():
    assert find([], "a") == Standing("", *TO_COME)


def test_another_candidate_must_match_the_champion(champion):
    assert find([champion("p1", "a"), champion("p2", "b")], "c") == Standing("p2", *TO_COME)


def test_an_unknown_candidate_is_taken_for_another(champion):
    assert find([champion("p1", "a")], None) == Standing("p1", *TO_COME)


@pytest.mark.parametrize(("before", "rival"), [([], ""), ([("p1", "a")], "p1"), ([("p0", "b"), ("p1", "a")], "p1")])
def test_the_champion_again_must_match_what_was_champion_before_it(champion, before, rival):
    champions = [*(champion(*one) for one in before), champion("p2", "b")]
    assert find(champions, "b", build="its build") == Standing(rival, "p2", "its build")


@pytest.mark.parametrize("before", [[], [("p1", "a")]])
def test_a_repeated_run_asks_what_the_first_one_asked(champion, before):
    champions = [champion(*one) for one in before]
    first = find(champions, "b")
    again = find([*champions, champion(first.promotion, "b")], "b", build=first.built)
    assert again == first


def test_a_champion_whose_bento_is_gone_is_built_anew(champion):
    assert find([champion("p1", "a")], "a", build=None) == Standing("", "p1", "next build")


def test_a_former_champion_is_a_candidate_like_any_other(champion):
    assert find([champion("p1", "a"), champion("p2", "b")], "a") == Standing("p2", *TO_COME)


def test_only_the_champion_is_asked_for_its_build(champion):
    def build_of(champion):
        pytest.fail("asked")

    assert standing([champion("p1", "a")], "b", to_come=TO_COME, build_of=build_of).built == "next build"


def test_champions_of_ledgers_without_names_are_told_by_their_version(champion):
    assert find([champion("", "a")], "b").rival == "version 7"


def test_moments_differ():
    assert moment() != moment()


class TestCandidates:
    def test_what_came_of_an_origin_is_expected_of_it_again(self, tmp_path):
        Candidates(tmp_path / "gate").remember("origin", "candidate")
        Candidates(tmp_path / "gate").remember("other origin", "other candidate")
        assert Candidates(tmp_path / "gate").expected("origin") == "candidate"
        assert Candidates(tmp_path / "gate").expected("new origin") is None

    def test_the_newest_counts(self, tmp_path):
        for candidate in ("a", "b"):
            Candidates(tmp_path).remember("origin", candidate)
        assert Candidates(tmp_path).expected("origin") == "b"

    def test_the_oldest_are_forgotten(self, tmp_path):
        candidates = Candidates(tmp_path)
        for number in [*range(MOST_CANDIDATES), 0, MOST_CANDIDATES]:
            candidates.remember(f"origin {number}", "a")
        kept = {number for number in range(MOST_CANDIDATES + 1) if candidates.expected(f"origin {number}")}
        assert kept == {*range(MOST_CANDIDATES + 1)} - {1}

    @pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff"])
    def test_a_damaged_memory_knows_nothing_and_is_replaced(self, tmp_path, content):
        Candidates(tmp_path).remember("origin", "a")
        (path,) = tmp_path.iterdir()
        path.write_bytes(content)
        assert Candidates(tmp_path).expected("origin") is None
        Candidates(tmp_path).remember("origin", "a")
        assert Candidates(tmp_path).expected("origin") == "a"


def test_a_champion_without_a_reference_is_promoted_anew(make_entry):
    older = make_entry("promoted", "7", promotion="p1", digests={"answers": "same"})
    assert standing([older], "same", to_come=("next", "now"), build_of=lambda _: "then") == Standing(
        "p1", "next", "now"
    )
