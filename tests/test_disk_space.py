import errno

import pytest

from quality_gate.disk_space import explain_full_disk
from quality_gate.errors import UserError


@pytest.mark.parametrize(("number", "reason"), [(errno.ENOSPC, "the disk is full"), (errno.EDQUOT, "the disk quota")])
def test_a_full_disk_is_told_with_its_place_and_the_way_out(tmp_path, number, reason):
    message = f"^{tmp_path}: {reason}.*; free some space, or set QUALITY_GATE_HOME to"
    with pytest.raises(UserError, match=message), explain_full_disk(tmp_path):
        raise OSError(number, "no room")


@pytest.mark.parametrize("error", [OSError(errno.EIO, "bad disk"), OSError("no number"), ValueError("other")])
def test_other_errors_stay_what_they_are(tmp_path, error):
    with pytest.raises(type(error)) as caught, explain_full_disk(tmp_path):
        raise error
    assert caught.value is error


def test_without_an_error_the_work_is_done(tmp_path):
    with explain_full_disk(tmp_path):
        (tmp_path / "shard").write_bytes(b"photos")
    assert (tmp_path / "shard").read_bytes() == b"photos"
