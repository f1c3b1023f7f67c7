"""Fetching image sets: from a server on this machine that can also lie, break off, or not be there."""

from __future__ import annotations

import gzip
import hashlib
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from verify import datasets, fetch
from verify.cli import main
from verify.errors import InputError

pytest.importorskip("pooch")

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


class Server:
    """Files by path; `spoil` says what happens to one of them on its way."""

    def __init__(self, files):
        self.files, self.spoil, self.asked = files, {}, []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.asked.append(self.path)
                content, how = server.files.get(self.path), server.spoil.get(self.path)
                if content is None or how == "gone":
                    self.send_error(404)
                    return
                sent = content[:-1] + bytes([content[-1] ^ 1]) if how == "corrupted" else content
                self.send_response(200)
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent[: len(sent) // 2] if how == "interrupted" else sent)

            def log_message(self, *_):
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A server with a tiny MNIST, whose second address has it too; and an empty folder."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "VERIFY_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    rng = np.random.default_rng(0)
    arrays = {FILES[0]: (6, 2, 3), FILES[1]: (6,), FILES[2]: (2, 2, 3), FILES[3]: (2,)}
    monkeypatch.setattr(datasets, "IDX", arrays)
    plain = {}
    for name, shape in arrays.items():
        content = rng.integers(0, 10, shape, dtype=np.uint8).tobytes()
        plain[name] = struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape) + content
    packed = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in plain.items()}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in plain.items()}
    monkeypatch.setattr(datasets, "SUMS", {"mnist": sums})
    server = Server({f"/{place}/{name}": content for place in ("one", "two") for name, content in packed.items()})
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in packed.items()}
    remotes = fetch._remotes(digests, f"{server.address}/one/", f"{server.address}/two/")
    monkeypatch.setattr(fetch, "REMOTES", {"mnist": remotes})
    monkeypatch.setattr(fetch, "TIMEOUT", 5.0)
    yield server, tmp_path / "data", plain
    server.close()


def call(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main(["fetch", *map(str, arguments)])
    out, err = capsys.readouterr()
    return stop.value.code, out, err


def test_a_set_is_fetched_once_and_read_by_the_same_loader(world, capsys):
    server, folder, plain = world
    code, out, err = call(capsys, "mnist", "--data-dir", folder)
    assert (code, out) == (0, f"{folder}\n")
    assert "all SHA-256 as published" in err
    assert datasets.read_images("mnist", folder).X.tobytes() == plain[FILES[0]][16:] + plain[FILES[2]][16:]
    assert len(server.asked) == 4
    code, _, err = call(capsys, "mnist", "--data-dir", folder)
    assert (code, len(server.asked)) == (0, 4)
    assert "already in" in err
    assert call(capsys, "mnist", "--data-dir", folder, "--quiet")[2] == ""


def test_the_folder_can_be_set_in_the_environment(world, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("VERIFY_DATA_DIR", str(tmp_path / "elsewhere"))
    assert call(capsys, "mnist")[:2] == (0, f"{tmp_path / 'elsewhere'}\n")
    assert (tmp_path / "elsewhere" / "mnist" / f"{FILES[0]}.gz").is_file()


def test_without_a_folder_it_is_the_cache_of_the_user(world, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    code, out, _ = call(capsys, "mnist")
    assert code == 0
    assert (tmp_path / "cache" / "verify") == fetch.default_folder() or sys.platform != "linux"
    assert (fetch.default_folder() / "mnist" / f"{FILES[3]}.gz").is_file()
    assert out == f"{fetch.default_folder()}\n"


def test_files_put_there_by_hand_need_no_network(world, capsys):
    server, folder, plain = world
    (folder / "mnist").mkdir(parents=True)
    for name, content in plain.items():
        (folder / "mnist" / name).write_bytes(content)
    assert call(capsys, "mnist", "--data-dir", folder)[0] == 0
    assert server.asked == []


@pytest.mark.parametrize("how", ["corrupted", "interrupted", "gone"])
def test_the_second_address_is_asked_where_the_first_fails(world, how):
    server, folder, _ = world
    server.spoil = {f"/one/{name}.gz": how for name in FILES}
    fetch.fetch("mnist", folder)
    assert len(datasets.read_images("mnist", folder).X) == 8
    assert len(server.asked) == 8


@pytest.mark.parametrize(
    ("how", "message"), [("corrupted", "does not match"), ("interrupted", "incomplete|broken|read"), ("gone", "404")]
)
def test_a_download_that_fails_leaves_nothing_behind_and_can_be_repeated(world, capsys, how, message):
    server, folder, _ = world
    server.spoil = {f"/{place}/{FILES[2]}.gz": how for place in ("one", "two")}
    code, out, err = call(capsys, "mnist", "--data-dir", folder, "--quiet")
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert f"{FILES[2]}.gz of mnist could not be fetched" in err
    assert any(word in err.lower() for word in message.split("|"))
    assert sorted(path.name for path in (folder / "mnist").iterdir()) == sorted(f"{name}.gz" for name in FILES[:2])
    server.spoil, before = {}, len(server.asked)
    assert call(capsys, "mnist", "--data-dir", folder)[0] == 0
    assert len(server.asked) == before + 2  # what was whole is kept


def test_a_damaged_file_in_the_folder_is_fetched_anew(world):
    server, folder, _ = world
    fetch.fetch("mnist", folder)
    (folder / "mnist" / f"{FILES[1]}.gz").write_bytes(b"damaged")
    fetch.fetch("mnist", folder)
    assert len(server.asked) == 5
    assert len(datasets.read_images("mnist", folder).X) == 8


def test_a_damaged_file_put_there_by_hand_is_named_not_overwritten(world, capsys):
    _, folder, _ = world
    (folder / "mnist").mkdir(parents=True)
    (folder / "mnist" / FILES[1]).write_bytes(b"mine")
    code, _, err = call(capsys, "mnist", "--data-dir", folder)
    assert code == 2
    assert f"{FILES[1]} is damaged or another file" in err
    assert (folder / "mnist" / FILES[1]).read_bytes() == b"mine"


def test_without_a_network_it_says_where_to_put_the_files(world, capsys):
    server, folder, _ = world
    server.close()
    code, out, err = call(capsys, "mnist", "--data-dir", folder, "--quiet")
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert "could not be fetched" in err
    assert str(folder / "mnist") in err
    assert "yann.lecun.com" in err


def test_without_pooch_it_says_how_to_get_it(world, capsys, monkeypatch):
    _, folder, _ = world
    monkeypatch.setitem(sys.modules, "pooch", None)
    for arguments in (("mnist", "--data-dir", folder), ("mnist",)):
        code, _, err = call(capsys, *arguments, "--quiet")
        assert code == 2
        assert "pip install 'verify[data]'" in err


def test_unknown_sets_and_folders_that_cannot_be_made(world, capsys, tmp_path):
    _, _, _ = world
    code, _, err = call(capsys, "imagenet-64")
    assert code == 2
    assert "expected one of mnist" in err
    assert "by hand" in err
    assert call(capsys)[0] == 2
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="cannot be made"):
        fetch.fetch("mnist", tmp_path / "file")


def test_every_published_set_can_be_fetched():
    assert fetch.REMOTES.keys() == datasets.SUMS.keys()
    remotes = [remote for files in fetch.REMOTES.values() for remote in files]
    assert len({remote.digest for remote in remotes}) == len(remotes) == 9
    for name, files in fetch.REMOTES.items():
        names = {remote.file for remote in files}
        expected = {datasets.ARCHIVES[name]} if name in datasets.ARCHIVES else {f"{file}.gz" for file in FILES}
        assert names == expected
        assert all(address.endswith(f"/{remote.file}") for remote in files for address in remote.addresses)
