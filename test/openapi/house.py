"""The real programs that the walk asks: repasse, simulated processors, PostgreSQL and Redis, each in a folder of its
own and killed with this process."""

import contextlib
import ctypes
import http.client
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time

START_LIMIT_S = 30
ANSWER_LIMIT_S = 15
POSTGRES = pathlib.Path("/usr/lib/postgresql/15/bin")
_prctl = ctypes.CDLL(None).prctl
_PR_SET_PDEATHSIG = 1


def until(holds, what, limit_s=START_LIMIT_S):
    """Waits until holds() is true, and returns what it said."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if said := holds():
            return said
        time.sleep(0.01)
    raise TimeoutError(what)


class Answer:
    """What came back: `fields` has every header once, its values joined by commas, names as sent."""

    def __init__(self, method, response, body):
        self.method = method
        self.status = response.status
        self.fields = {}
        for name, value in response.getheaders():
            self.fields[name] = f"{self.fields[name]}, {value}" if name in self.fields else value
        self.media_type = self.fields.get("Content-Type", "").split(";")[0]
        self.body = body


class Server:
    """A repasse that listens at a socket file."""

    def __init__(self, program, folder, variables):
        self.path = str(folder / "repasse")
        self.log = folder / "log"
        nobody = "http://127.0.0.1:1"
        settings = {
            "LISTEN": f"unix:{self.path}",
            "REACTORS": "1",
            "PROCESSOR_DEFAULT_URL": nobody,
            "PROCESSOR_FALLBACK_URL": nobody,
        }
        self.process = spawn([program], self.log, signal.SIGKILL, environment=settings | variables)
        until(lambda: "serves on" in self.log.read_text() or self.process.poll() is not None, "repasse serves")
        if self.process.poll() is not None:
            raise RuntimeError(self.log.read_text())

    def connect(self):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(ANSWER_LIMIT_S)
        connection.connect(self.path)
        return connection

    def send(self, request, bytes_max=None):
        """The answer to these bytes; no more than `bytes_max` of a body that does not end."""
        with self.connect() as connection:
            with contextlib.suppress(BrokenPipeError):  # turned away: the answer is there, and nobody listens
                connection.sendall(request)
            method = request.split(b" ", 1)[0].decode()
            response = http.client.HTTPResponse(connection, method=method)
            response.begin()
            body = response.read() if bytes_max is None else response.read1(bytes_max)
            return Answer(method, response, body)

    def ask(self, method, target, headers=None, body=b"", bytes_max=None):
        lines = [f"{method} {target} HTTP/1.1", "Host: test", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if body or method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        return self.send("\r\n".join([*lines, "", ""]).encode() + body, bytes_max)

    def stop(self):
        self.process.terminate()
        self.process.wait(START_LIMIT_S)


def spawn(words, log, end_signal, environment=None, user=None):
    """Its own process group, ended by that signal with this process."""
    ids = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}

    def follow_parent():
        _prctl(_PR_SET_PDEATHSIG, end_signal)

    kept = {name: os.environ[name] for name in ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS") if name in os.environ}
    with open(log, "ab") as output:
        return subprocess.Popen(
            [str(word) for word in words], stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/",
            env=kept | {"LC_ALL": "C.UTF-8"} | (environment or {}), start_new_session=True,
            preexec_fn=follow_parent, **ids,
        )  # fmt: skip


class House:
    """Use as a context: everything in it ends with it."""

    def __init__(self, repasse, simulator):
        self.repasse = repasse
        self.simulator = simulator
        self.user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="repasse-openapi-"))
        self.root.chmod(0o755)
        self.running = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.running):
            self.kill(process)
        shutil.rmtree(self.root, ignore_errors=True)

    def folder(self, name):
        folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.root))
        folder.chmod(0o755)
        return folder

    def kill(self, process, number=signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, number)
            process.wait(START_LIMIT_S)

    def server(self, **variables):
        server = Server(self.repasse, self.folder("server"), variables)
        self.running.append(server.process)
        return server

    def processor(self, *options):
        """Its URL."""
        return self.processor_process(*options)[1]

    def processor_process(self, *options):
        """The process, and its URL."""
        log = self.folder("processor") / "log"
        words = [self.simulator, "--host", "127.0.0.1", "--port", "0", *options]
        process = spawn(words, log, signal.SIGKILL)
        self.running.append(process)
        line = until(lambda: "\n" in log.read_text() and log.read_text(), "the simulator listens")
        return process, f"http://127.0.0.1:{line.split(':')[-1].split()[0]}"

    def postgres(self):
        """The process, and its URL."""
        folder = self.folder("postgres")
        if self.user:
            os.chown(folder, self.user.pw_uid, self.user.pw_gid)
        log, data = folder / "log", folder / "data"
        log.touch(mode=0o666)
        options = ["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8"]
        made = spawn([POSTGRES / "initdb", *options, "-D", data], log, signal.SIGKILL, user=self.user)
        if made.wait(START_LIMIT_S) != 0:
            raise RuntimeError(log.read_text())
        return self.start_postgres(folder), f"postgresql:///postgres?host={folder}&user=postgres"

    def start_postgres(self, folder):
        """The process; again with what it had."""
        log = folder / "log"
        begun = log.stat().st_size
        settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}"]
        words = [POSTGRES / "postgres", "-D", folder / "data", *settings]
        process = spawn(words, log, signal.SIGQUIT, user=self.user)
        self.running.append(process)
        until(lambda: "ready to accept connections" in log.read_text()[begun:], "PostgreSQL is ready")
        return process

    def redis(self):
        """The process, and its URL. It may take payments in."""
        folder = self.folder("redis")
        return self.start_redis(folder), f"unix:{folder / 'socket'}"

    def start_redis(self, folder):
        """The process; again with what it had."""
        log = folder / "log"
        log.touch()
        begun = log.stat().st_size
        options = ["--port", "0", "--unixsocket", folder / "socket", "--dir", folder, "--appendonly", "yes"]
        options += ["--appendfsync", "always", "--save", "", "--maxmemory-policy", "noeviction"]
        process = spawn(["redis-server", *options], log, signal.SIGKILL)
        self.running.append(process)
        until(lambda: "eady to accept connections" in log.read_text()[begun:], "Redis is ready")
        return process
