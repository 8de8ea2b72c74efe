"""Downloads from a server in this process: once, whole, and the same file ever after."""

from __future__ import annotations

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import shapebias.stylize.load as load
from shapebias.cli.main import main
from shapebias.download import fetch
from shapebias.errors import UserError

BODY = bytes(range(256)) * 9000  # 2.3 MB: more than one part


class Handler(BaseHTTPRequestHandler):
    """Serves ``server.files`` by path; the first part of a path says how it goes wrong."""

    def do_GET(self):
        self.server.requests.append(self.path)
        body = self.server.files.get(self.path.rpartition("/")[2])
        if body is None:
            return self.send_error(404)
        kind = self.path.split("/")[1]
        if kind == "moved":
            self.send_response(302)
            self.send_header("Location", f"/there/{self.path.rpartition('/')[2]}")
            return self.end_headers()
        if kind == "garbage":
            self.wfile.write(b"hello\r\n\r\n")
            return None
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if kind == "page" else "application/octet-stream")
        if kind != "unmeasured":
            self.send_header("Content-Length", str(len(body) + (kind == "truncated")))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.files, server.requests = {"weights.pth": BODY}, []
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def files_of(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("kind", ["fine", "moved"])
def test_a_file_is_downloaded_once(server, tmp_path, capsys, kind):
    path = tmp_path / "cache" / "weights.pth"
    assert fetch(f"{server.url}/{kind}/weights.pth", path) == path
    assert path.read_bytes() == BODY
    sidecar = path.with_name("weights.pth.sha256")
    assert sidecar.read_text() == f"{hashlib.sha256(BODY).hexdigest()}  weights.pth\n"
    assert files_of(tmp_path) == ["weights.pth", "weights.pth.sha256"]
    assert "weights.pth  3/3" in capsys.readouterr().err
    before = len(server.requests)
    fetch(f"{server.url}/{kind}/weights.pth", path)
    assert len(server.requests) == before
    assert capsys.readouterr().err == ""


def test_a_file_that_changed_is_refused(server, tmp_path):
    url, path = f"{server.url}/fine/weights.pth", tmp_path / "weights.pth"
    fetch(url, path)
    path.write_bytes(b"other")
    then, now = (hashlib.sha256(data).hexdigest()[:12] for data in (BODY, b"other"))
    with pytest.raises(UserError, match=f"weights.pth has changed .*{then} then, {now} now.*delete .*weights.pth"):
        fetch(url, path)
    path.unlink()
    fetch(url, path)
    path.unlink()
    server.files["weights.pth"] = b"other"
    with pytest.raises(UserError, match=f"another file than the first time .*{then} then, {now} now"):
        fetch(url, path)
    assert files_of(tmp_path) == ["weights.pth.sha256"]


def test_a_file_put_there_by_hand_is_recorded_and_a_broken_record_refused(tmp_path):
    path, sidecar = tmp_path / "weights.pth", tmp_path / "weights.pth.sha256"
    path.write_bytes(BODY)
    fetch("http://127.0.0.1:9/weights.pth", path)
    assert sidecar.read_text().startswith(hashlib.sha256(BODY).hexdigest())
    sidecar.write_text("nothing")
    with pytest.raises(UserError, match="holds no SHA-256"):
        fetch("http://127.0.0.1:9/weights.pth", path)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("fine/none.pth", "HTTP 404 Not Found"),
        ("truncated/weights.pth", f"only {len(BODY)} of {len(BODY) + 1} bytes came"),
        ("page/weights.pth", "a web page came instead of the file"),
        ("unmeasured/weights.pth", "the server does not say how long it is"),
        ("garbage/weights.pth", "hello"),
    ],
)
def test_what_cannot_be_downloaded_leaves_nothing(server, tmp_path, where, message):
    with pytest.raises(UserError, match=f"cannot download {server.url}/{where}: .*{message}.*: do this") as caught:
        fetch(f"{server.url}/{where}", tmp_path / "weights.pth", otherwise="do this")
    assert "\n" not in str(caught.value)
    assert files_of(tmp_path) == []


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/a", "weights.pth", "http://", "http://[::1"])
def test_other_addresses_are_refused(tmp_path, url):
    with pytest.raises(UserError, match="cannot download"):
        fetch(url, tmp_path / "a")
    assert files_of(tmp_path) == []


def test_no_network_is_one_line_that_teaches(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as closed:
        port = closed.server_port
    with pytest.raises(UserError, match=r"refused: connect once, or give a folder with .* as --stylizer DIR"):
        load.load_stylizer("vgg19", url=f"http://127.0.0.1:{port}")
    assert files_of(tmp_path) == []
    (tmp_path / "photos").mkdir()
    monkeypatch.setattr(load.load_stylizer, "__kwdefaults__", {"url": f"{server.url}/fine"})
    line = ["stylize", str(tmp_path / "photos"), "--out", str(tmp_path / "out"), "--stylizer", "vgg19"]
    for styles, message in (([], "give --styles"), (["--styles", "paintings"], "HTTP 404 Not Found: connect once")):
        assert main([*line, *styles]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert message in error
    assert server.requests == ["/fine/vgg_normalised.pth"]


def test_vgg19_comes_from_the_cache_of_torch(server, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    server.files |= {"vgg_normalised.pth": b"encoder", "decoder.pth": b"decoder"}
    for _ in range(2):
        folder = load.download_vgg(f"{server.url}/v0")
        assert folder == tmp_path / "hub" / "shapebias"
        assert (folder / "vgg_normalised.pth").read_bytes() == b"encoder"
        assert (folder / "decoder.pth").read_bytes() == b"decoder"
    assert server.requests == ["/v0/vgg_normalised.pth", "/v0/decoder.pth"]
    with pytest.raises(UserError, match=r"vgg_normalised\.pth cannot be read as weights"):
        load.load_stylizer("vgg19", url=f"{server.url}/v0")
    assert len(server.requests) == 2
