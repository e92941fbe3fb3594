"""The house of the API's walk, with what a page needs besides: servers at ports, where a browser finds them, processors
that come back where they were, and load."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import urllib.error
import urllib.request
import uuid

sys.path.append(str(pathlib.Path(__file__).parent.parent / "openapi"))

from chromium import free_port  # noqa: E402
from house import POSTGRES, House, spawn, until  # noqa: E402

__all__ = ["ADMIN_TOKEN", "POSTGRES", "DashboardHouse", "until"]

ADMIN_TOKEN = "a-token-for-the-browser-tests-only-0123456789"


def request(url, body=None, method=None, headers=()):
    """(status, body); the status is 0 if nobody answers."""
    data = None if body is None else json.dumps(body).encode()
    try:
        wanted = urllib.request.Request(url, data, {"Content-Type": "application/json", **dict(headers)}, method=method)
        with urllib.request.urlopen(wanted, timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


class DashboardHouse(House):
    def __init__(self, build, stores=False):
        """With PostgreSQL and Redis, or with payments in memory."""
        super().__init__(f"{build}/server/repasse", f"{build}/bench/processor-simulator")
        self.load = f"{build}/bench/load"
        self.stores = stores
        self.settings = {"ADMIN_TOKEN": ADMIN_TOKEN, "REACTORS": "1"}

    def __enter__(self):
        try:
            if self.stores:
                self.database, self.settings["DATABASE_URL"] = self.postgres()
                self.cache, self.settings["REDIS_URL"] = self.redis()
            self.ports = {"default": free_port(), "fallback": free_port()}
            for name, port in self.ports.items():
                self.settings[f"PROCESSOR_{name.upper()}_URL"] = f"http://127.0.0.1:{port}"
            self.default = self.start_processor("default")
            self.fallback = self.start_processor("fallback")
            return self
        except BaseException:
            self.__exit__()
            raise

    def _start(self, *words, environment=None):
        process = spawn(words, self.folder("program") / "log", signal.SIGKILL, environment=environment)
        self.running.append(process)
        return process

    def start_processor(self, name):
        port = self.ports[name]
        process = self._start(self.simulator, "--host", "127.0.0.1", "--port", str(port))
        until(lambda: request(f"http://127.0.0.1:{port}/payments/{uuid.uuid4()}")[0], f"{name} listens")
        return process

    def configure(self, name, what, value):
        url = f"http://127.0.0.1:{self.ports[name]}/admin/configurations/{what}"
        status, _ = request(url, {what: value}, "PUT", {"X-Rinha-Token": "123"})
        assert status == 200, status

    def post_to_processor(self, name, amount, correlation_id):
        """Behind the server's back."""
        body = {"correlationId": correlation_id, "amount": amount, "requestedAt": "2025-07-15T12:34:56.000Z"}
        status, _ = request(f"http://127.0.0.1:{self.ports[name]}/payments", body)
        assert status == 200, status

    def start_server(self, port):
        """Comes back once it is ready."""
        server = self._start(self.repasse, environment=self.settings | {"LISTEN": f"127.0.0.1:{port}"})
        until(lambda: request(f"http://127.0.0.1:{port}/readyz")[0] == 200, "the server is ready")
        return server

    def start_load(self, port, rate=300, seconds=600):
        return self._start(self.load, "--port", str(port), "--rate", str(rate), "--seconds", str(seconds),
                           "--connections", "16")

    def kill_postgres(self):
        """All of it at once, as a machine's end would."""
        listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.database.pid)], capture_output=True, text=True)
        self.kill(self.database)
        for child in listed.stdout.split():
            try:
                os.kill(int(child), signal.SIGKILL)
            except ProcessLookupError:
                pass

    def _folder_of(self, kind):
        return next(self.root.glob(f"{kind}-*"))

    def postgres_comes_back(self):
        self.database = self.start_postgres(self._folder_of("postgres"))

    def redis_comes_back(self):
        self.cache = self.start_redis(self._folder_of("redis"))

    @staticmethod
    def post(port, amount=19.90, correlation_id=None, wanted=202):
        """The correlation id; a new one if none is given."""
        correlation_id = correlation_id or str(uuid.uuid4())
        status, _ = request(f"http://127.0.0.1:{port}/payments", {"correlationId": correlation_id, "amount": amount})
        assert status == wanted, status
        return correlation_id

    @staticmethod
    def read(port, path):
        status, body = request(f"http://127.0.0.1:{port}{path}")
        assert status == 200, (path, status)
        return json.loads(body)
