import pytest

from quality_gate.monitoring.journal import decode_line, encode_line


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
