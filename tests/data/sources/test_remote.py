import shutil
import socket
import threading

import pytest

from quality_gate.data.audit import audit
from quality_gate.data.sources import discover, photo_file, remote
from quality_gate.data.sources.remote import RemoteTree, is_url
from quality_gate.data_settings import DataSettings
from quality_gate.errors import UserError
from quality_gate.preprocess import UnreadableImage

PATHS = ("train/a/1.png", "train/b/deep/1.png", "test/a/2.png")


def listed(source):
    return [(file.path, file.label, file.split, file.problem) for file in source.files]


def test_a_bucket_is_read_like_a_folder(s3, upload):
    s3.mkdir("produce")
    upload(s3, "produce/photos", *PATHS, "train/.hidden/x.png", "train/stray.png", "notes.txt")
    s3.pipe("produce/photos-of-others/c/1.png", b"not ours")
    source = discover("s3://produce/photos/")
    assert listed(source) == [
        ("test/a/2.png", "a", "test", ""),
        ("train/a/1.png", "a", "train", ""),
        ("train/b/deep/1.png", "b", "train", ""),
        ("train/stray.png", "", "train", "lies outside any class folder; move it into one"),
    ]
    assert source.files[0].origin.name == "s3://produce/photos/test/a/2.png"
    assert [one.row.get("is_readable", False) for one in audit(source.files)] == [True, True, True, False]


def test_a_bucket_itself_may_be_the_source(s3, upload):
    s3.mkdir("whole")
    upload(s3, "whole", "a/1.png", "b/1.png")
    assert [file.path for file in discover("s3://whole").files] == ["a/1.png", "b/1.png"]


def test_what_was_added_since_the_last_listing_is_seen(s3, upload):
    s3.mkdir("growing")
    upload(s3, "growing", "a/1.png", "b/1.png")
    discover("s3://growing")
    other = type(s3)(skip_instance_cache=True)
    upload(other, "growing", "b/2.png")
    assert [file.path for file in discover("s3://growing").files] == ["a/1.png", "b/1.png", "b/2.png"]


def test_the_checksum_of_a_bucket_is_the_stamp(s3, upload):
    s3.mkdir("stamped")
    upload(s3, "stamped", "a/1.png", "b/1.png")
    before = [file.origin.stamp for file in discover("s3://stamped").files]
    s3.pipe("stamped/a/1.png", b"x" * s3.size("stamped/a/1.png"))
    after = [file.origin.stamp for file in discover("s3://stamped").files]
    assert all(before)
    assert (after[0] != before[0], after[1] == before[1]) == (True, True)


def test_a_csv_file_and_its_photos_may_both_be_remote(s3, upload):
    s3.mkdir("table")
    upload(s3, "table/images", "1.png", "2.png")
    s3.pipe("table/labels.csv", b"path,label\nimages/1.png,a\ns3://table/images/2.png,b\nimages/3.png,b\n")
    source = discover("s3://table/labels.csv", DataSettings(missing="drop"))
    assert listed(source) == [("images/1.png", "a", "", ""), ("images/2.png", "b", "", "")]
    assert [file.path for file in source.left_out] == ["images/3.png"]


def test_the_photos_of_a_csv_file_on_this_machine_may_be_remote(memory, upload, tmp_path):
    upload(memory, "/images", "1.png", "2.png")
    (tmp_path / "labels.csv").write_text("path,label\n1,a\n2,b\n")
    settings = DataSettings(csv={"images": "memory://images", "suffix": ".png"})
    assert listed(discover(tmp_path / "labels.csv", settings)) == [("1.png", "a", "", ""), ("2.png", "b", "", "")]


def test_a_zip_file_is_one_more_file_system_and_read_anew_each_time(write_photos, tmp_path):
    shutil.make_archive(str(tmp_path / "photos"), "zip", write_photos("a/1.png", "b/1.png"))
    source = discover(f"zip://::{tmp_path}/photos.zip")
    assert listed(source) == [("a/1.png", "a", "", ""), ("b/1.png", "b", "", "")]
    assert all(one.facts for one in audit(source.files))
    shutil.make_archive(str(tmp_path / "photos"), "zip", write_photos("b/2.png"))
    assert len(discover(f"zip://::{tmp_path}/photos.zip").files) == 3


def test_a_time_is_a_stamp_only_some_time_later(memory, upload, monkeypatch):
    upload(memory, "/photos", "a/1.png", "b/1.png")
    assert [file.origin.stamp for file in discover("memory://photos").files] == ["", ""]
    monkeypatch.setattr(remote, "_COARSEST_CLOCK_SECONDS", 0.0)
    before = [file.origin.stamp for file in discover("memory://photos").files]
    assert before == [file.origin.stamp for file in discover("memory://photos").files]
    assert all(before)
    upload(memory, "/photos", "a/1.png")
    after = [file.origin.stamp for file in discover("memory://photos").files]
    assert (after[0] != before[0], after[1] == before[1]) == (True, True)


def test_a_file_system_that_says_nothing_of_its_files_gives_no_stamp(memory, upload, monkeypatch):
    upload(memory, "/photos", "a/1.png", "b/1.png")
    find = memory.find
    bare = {name: {"name": name, "type": "file", "size": 1} for name in find("/photos")}
    monkeypatch.setattr(type(memory), "find", lambda *_, **__: bare)
    assert [file.origin.stamp for file in discover("memory://photos").files] == ["", ""]


def test_many_files_are_waited_for_at_once(memory, upload, monkeypatch):
    upload(memory, "/photos", *(f"{label}/{number}.png" for label in "ab" for number in range(4)))
    all_wait = threading.Barrier(8, timeout=20)
    read = type(memory).cat_file
    monkeypatch.setattr(type(memory), "cat_file", lambda self, path: (all_wait.wait(), read(self, path))[1])
    assert all(one.facts for one in audit(discover("memory://photos").files, workers=1))


def test_a_file_larger_than_any_photo_is_not_fetched(memory, upload, monkeypatch):
    upload(memory, "/photos", "a/1.png", "b/1.png")
    memory.pipe("/photos/b/film.png", b"x" * 2**21)
    monkeypatch.setattr(remote, "MAX_FILE_BYTES", 2**20)
    monkeypatch.setattr(photo_file, "MAX_FILE_BYTES", 2**20)
    (problem,) = [file.problem for file in discover("memory://photos").files if file.problem]
    assert problem == "2 MB; at most 1 are accepted"


def test_a_file_that_is_gone_since_it_was_listed_is_unreadable(memory, upload):
    upload(memory, "/photos", "a/1.png", "b/1.png")
    file = discover("memory://photos").files[0]
    memory.rm("/photos/a/1.png")
    with pytest.raises(UnreadableImage, match=r"^cannot be read "):
        file.origin.read()


def test_a_server_that_stops_answering_ends_the_run_with_a_sentence(memory, upload, monkeypatch):
    upload(memory, "/photos", "a/1.png", "b/1.png")
    source = discover("memory://photos")

    def refuse(*_):
        raise ConnectionResetError(104, "Connection reset by peer")

    monkeypatch.setattr(type(memory), "cat_file", refuse)
    with pytest.raises(UserError, match=r"^memory://photos/a/1\.png cannot be read: .*Connection reset by peer; mend"):
        list(audit(source.files))


def sentence(url):
    with pytest.raises(UserError) as caught:
        discover(url)
    assert "\n" not in caught.value.message
    assert caught.value.message.endswith(".")
    return caught.value.message


def test_a_protocol_that_nobody_knows_is_told():
    assert sentence("s4://bucket/photos") == (
        "s4://bucket/photos cannot be reached: Protocol not known: s4; check the part before '://'."
    )


def test_a_protocol_whose_library_is_missing_is_told():
    assert sentence("gs://bucket/photos").startswith("gs://bucket/photos: Please install gcsfs to access Google Stor")


def test_a_bucket_that_does_not_exist_is_told(s3):
    assert sentence("s3://nobody/photos") == (
        "s3://nobody/photos does not exist (The specified bucket does not exist); check the name of the bucket and "
        "folder."
    )


def test_a_folder_with_nothing_in_it_is_told(s3):
    s3.mkdir("empty")
    assert sentence("s3://empty/photos") == (
        "s3://empty/photos: nothing is there; check the name of the bucket and the folder in it."
    )


def test_missing_credentials_are_told(s3, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    s3.clear_instance_cache()
    assert sentence("s3://produce/photos") == (
        "s3://produce/photos cannot be listed: Unable to locate credentials; put the credentials of someone who may "
        "read it into the environment, as the protocol's library expects."
    )


def test_a_server_that_is_not_there_is_told(s3, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3.clear_instance_cache()
    message = sentence("s3://produce/photos")
    assert message.startswith(
        f's3://produce/photos cannot be listed: Could not connect to the endpoint URL: "{address}/'
    )
    assert message.endswith("check the address, the network and the credentials in the environment.")


def test_a_csv_file_that_is_not_there_is_told(s3):
    s3.mkdir("without")
    assert sentence("s3://without/labels.csv").startswith("s3://without/labels.csv cannot be read: ")


@pytest.mark.parametrize(
    ("path", "relative"),
    [
        ("a/1.png", "a/1.png"), ("./b/../a/1.png", "a/1.png"), ("memory://photos/a/1.png", "a/1.png"),
        ("memory://other/a/1.png", None), ("../a.png", None), ("/a/1.png", None),
    ],
)  # fmt: skip
def test_a_path_that_leads_out_of_the_url_has_no_place_below_it(memory, upload, path, relative):
    upload(memory, "/photos", "a/1.png")
    assert RemoteTree("memory://photos").relative(path) == relative


@pytest.mark.parametrize(
    ("place", "url"),
    [("s3://bucket", True), ("memory://a", True), ("/data/photos", False), ("C:photos", False), ("photos:1", False)],
)
def test_a_url_is_told_from_a_path(place, url):
    assert is_url(place) is url
