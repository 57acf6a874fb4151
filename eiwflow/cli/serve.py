"""Start the app: the addresses and names of this machine, and the server's command line and environment."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from contextlib import suppress
from typing import NoReturn
from urllib.parse import urlsplit

from .. import project, server_settings
from ..files import missing
from ..server_settings import OF_THIS_MACHINE

PORT = 8501
_EVERYWHERE = ("0.0.0.0", "::")


def app_command(options: argparse.Namespace) -> NoReturn:
    """Open the app: Streamlit takes the place of this process, with the settings that lie beside app.py."""
    from ..flow import ConfigError

    if absent := missing("streamlit", "plotly", "segno"):
        raise ConfigError(f"The app needs {', '.join(absent)}, not installed here: pip install {' '.join(absent)}.")
    command, environment = server(options)
    os.environ |= environment
    try:
        server_settings.check(options.address or os.environ.get("STREAMLIT_SERVER_ADDRESS"))
    except ValueError as error:
        raise ConfigError(str(error)) from None
    os.execve(command[0], command, os.environ)


def server(options: argparse.Namespace) -> tuple[list[str], dict[str, str]]:
    """Return the server's command line, and the variables to add to its environment."""
    # -P: Python imports no modules from the working folder.
    command = [sys.executable, "-P", "-m", "streamlit", "run", str(project.ROOT / "app.py")]
    environment = {}
    shared = options.classroom or options.read_only
    join_url = options.join_url or os.environ.get("EIWFLOW_JOIN_URL")
    if options.port is not None or shared:  # a class knows this port, so Streamlit must not choose another
        command += ["--server.port", str(options.port or PORT)]
    if options.headless or shared:
        command += ["--server.headless", "true"]
    if options.address is not None:
        command += ["--server.address", options.address]
    if options.address is not None or join_url is not None:
        for name in names(options.address, join_url):
            command += ["--server.allowedHosts", name]
    if options.address in _EVERYWHERE:  # otherwise Streamlit asks another host for this machine's address
        command += ["--browser.serverAddress", reached_at(options.address)]
    if shared:
        environment["EIWFLOW_MODE"] = "classroom" if options.classroom else "read-only"
    if join_url is not None:
        environment["EIWFLOW_JOIN_URL"] = join_url
    elif options.address is not None:
        host = reached_at(options.address)
        environment["EIWFLOW_JOIN_URL"] = f"http://{f'[{host}]' if ':' in host else host}:{options.port or PORT}"
    if options.uploads is not None:
        environment[server_settings.UPLOADS_VARIABLE] = str(options.uploads)
    return command, environment


def names(address: str | None, join_url: str | None) -> list[str]:
    """Return the names under which browsers may reach a server with this address."""
    hosts = list(OF_THIS_MACHINE)
    if address in _EVERYWHERE:
        hosts += [*own_addresses(), socket.gethostname()]
    elif address is not None:
        hosts.append(address)
    with suppress(ValueError):  # the check of settings states the error
        if join_url is not None and (host := urlsplit(join_url).hostname):
            hosts.append(host)
    return list(dict.fromkeys(name.lower() for name in hosts if name))


def reached_at(address: str) -> str:
    """Return the address that others type for a server that listens on this one."""
    return address if address not in _EVERYWHERE else next(iter(own_addresses()), "localhost")


def own_addresses() -> list[str]:
    """Return this machine's addresses, the address of the default route first; empty without a network."""
    addresses = []
    # Sends nothing: the system only chooses the address that it would send from (RFC 5737, RFC 3849).
    for family, other in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as line:
            line.connect((other, 9))
            addresses.append(str(line.getsockname()[0]))
    with suppress(OSError):
        addresses += [str(entry[4][0]) for entry in socket.getaddrinfo(socket.gethostname(), None)]
    here = ("127.", "::1", "fe80:")
    return [entry for entry in dict.fromkeys(addresses) if not entry.startswith(here)]
