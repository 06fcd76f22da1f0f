import io

import pytest

from quality_gate.monitoring.journal import decode_line, encode_line, read_whole_lines


def test_a_line_gives_back_its_prediction(make_prediction):
    prediction = make_prediction(image_name="Kartoffel ä 😀.jpg")
    line = encode_line(prediction.to_json())
    assert line.endswith(b"\n")
    assert decode_line(line) == prediction


def test_every_changed_byte_is_noticed(make_prediction):
    line = encode_line(make_prediction().to_json())
    for place in range(len(line) - 1):
        changed = line[:place] + bytes([line[place] ^ 1]) + line[place + 1 :]
        with pytest.raises(ValueError, match=r"."):
            decode_line(changed)


class GrowingFile(io.RawIOBase):
    """A file that gives its chunks one by one, each after the end of the file was read once."""

    def __init__(self, chunks):
        self._reads = [read for chunk in chunks for read in (chunk, b"")]

    def readable(self):
        return True

    def readinto(self, buffer):
        chunk = self._reads.pop(0) if self._reads else b""
        buffer[: len(chunk)] = chunk
        return len(chunk)


def test_a_line_that_is_finished_while_it_is_read_is_never_taken_in_part():
    file = io.BufferedReader(GrowingFile([b"first\nsec", b"ond\nthird\n"]))
    assert read_whole_lines(file, 10) == [b"first\n"]


def test_no_more_lines_are_read_than_asked_for():
    assert read_whole_lines(io.BytesIO(b"first\nsecond\nthird\n"), 2) == [b"first\n", b"second\n"]
