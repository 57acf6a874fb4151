"""What docs/deploy holds: one install script, which everything there runs, and two proxies before the app."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack, suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from eiwflow.cli.parser import build_parser
from eiwflow.cli.serve import server

from .made.server import start_server

DEPLOY = Path(__file__).resolve().parents[1] / "docs" / "deploy"
SCRIPT = DEPLOY / "install.sh"


def test_the_container_and_the_devcontainer_run_the_install_script():
    assert "install.sh /src /opt/eiwflow" in (DEPLOY / "Dockerfile").read_text()
    settings = json.loads((DEPLOY / "devcontainer.json").read_text())
    assert settings["onCreateCommand"].startswith("sudo docs/deploy/install.sh . ")
    assert os.access(SCRIPT, os.X_OK)
    subprocess.run(["sh", "-n", SCRIPT], check=True)


def test_the_container_listens_on_all_interfaces_in_classroom_mode(monkeypatch):
    monkeypatch.setenv("EIWFLOW_JOIN_URL", "http://192.168.1.20:8501")
    lines = dict(re.findall(r"^(ENTRYPOINT|CMD) (.+)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE))
    (_, *arguments), more = json.loads(lines["ENTRYPOINT"]), json.loads(lines["CMD"])
    command, environment = server(build_parser().parse_args([*arguments, *more]))
    line = shlex.join(command)
    assert "--server.address 0.0.0.0" in line and "--server.allowedHosts 192.168.1.20" in line
    assert environment == {"EIWFLOW_MODE": "classroom", "EIWFLOW_JOIN_URL": "http://192.168.1.20:8501"}


# ---------------------------------------------------------------------- proxies


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """Start the app as behind a proxy; return its host and port."""
    with start_server(tmp_path_factory.mktemp("runs"), STREAMLIT_SERVER_ENABLE_XSRF_PROTECTION="false") as address:
        yield address.removeprefix("http://")


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(params=["nginx", "caddy"])
def proxy(request, app, tmp_path):
    """Start a proxy with the file of docs/deploy, but for its port and certificate; return its name, host and port."""
    name, place = request.param, f"127.0.0.1:{free_port()}"
    if not shutil.which(name):
        pytest.skip(f"needs {name}")
    if name == "nginx":
        text = (DEPLOY / "nginx.conf").read_text().replace("listen 443 ssl;", f"listen {place};")
        text = re.sub(r" +ssl_certificate.*\n", "", text).replace("127.0.0.1:8501", app)
        places = "".join(
            f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = "" if os.geteuid() else "user root;"  # who may write there
        text = f"{user} pid {tmp_path}/pid; error_log stderr; events {{}} http {{ access_log off; {places} {text} }}"
        (tmp_path / "conf").write_text(text)
        command = ["nginx", "-c", tmp_path / "conf", "-g", "daemon off;"]
    else:
        text = (DEPLOY / "Caddyfile").read_text().replace("127.0.0.1:8501", app)
        text = text.replace("flows.example.org {", f"http://{place} {{").replace("{\n", "{\n\tadmin off\n", 1)
        (tmp_path / "conf").write_text(text)
        command = ["caddy", "run", "--adapter", "caddyfile", "--config", tmp_path / "conf"]
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "HOME": str(tmp_path)})
    try:
        for _ in range(600):
            with suppress(OSError), socket.create_connection(place.split(":"), timeout=1):
                break
            assert process.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.1)
        yield name, place
    finally:
        process.terminate()
        process.wait(30)


def websocket(place, source="127.0.0.1"):
    host, port = place.split(":")
    sock = socket.create_connection((host, port), timeout=60, source_address=(source, 0))
    return connect(f"ws://{place}/_stcore/stream", sock=sock, origin=f"http://{place}", max_size=None, max_queue=None)


def answered(place, method="GET", path="/", body=None, source="127.0.0.1", **headers):
    line = HTTPConnection(*place.split(":"), timeout=60, source_address=(source, 0))
    line.request(method, path, body, headers)
    return line.getresponse()


@pytest.mark.slow
def test_a_proxy_serves_a_page_a_websocket_and_an_upload_and_bounds_a_visitor(proxy):
    name, place = proxy
    assert b"eiw-first" in answered(place).read()
    with websocket(place) as line:
        line.send(BackMsg(rerun_script={"page_name": "levels"}).SerializeToString())
        session = ""
        while (message := ForwardMsg.FromString(line.recv(timeout=120))).WhichOneof("type") != "script_finished":
            session = message.new_session.initialize.session_id or session
        content = b'--e\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + bytes(3_000_000)
        kind = {"Content-Type": "multipart/form-data; boundary=e"}
        path = f"/_stcore/upload_file/{session}/file"
        assert answered(place, "PUT", path, content + b"\r\n--e--\r\n", **kind).status == 204
    if name == "nginx":
        assert answered(place, "PUT", path, None, **kind, **{"Content-Length": "300000000"}).status == 413
        with ExitStack() as opened:
            for _ in range(40):
                opened.enter_context(websocket(place))
            assert answered(place).status == 429
            assert answered(place, source="127.0.0.2").status == 200
            websocket(place, source="127.0.0.2").close()
