"""How the service says no: a status and one sentence, always as JSON."""

from collections.abc import Mapping


class Refusal(Exception):
    """A request that is not answered; raised wherever it shows, made a response in one place.

    Args:
        status: the HTTP status, 400 to 599.
        sentence: what is wrong and what to do, fit to be shown to a person.
        headers: of the response, besides the usual ones.
    """

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = headers or {}


def unusable(sentence: str) -> Refusal:
    """422: the request was understood, and cannot be answered as it is."""
    return Refusal(422, sentence)
