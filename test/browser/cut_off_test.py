"""What the page of one server says of another that lives, and reaches one of the stores no more."""

import os
import socket
import threading
from urllib.parse import parse_qs, urlsplit

from chromium import free_port
from dashboard_house import until
from one_page import OnePage, number


class Way:
    """A socket of its own that leads to another, until it is cut; then whoever comes is sent away."""

    def __init__(self, path, to):
        os.makedirs(os.path.dirname(path))
        self.to = to
        self.is_cut = False
        self.open = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(64)
        threading.Thread(target=self._lead, daemon=True).start()

    def _lead(self):
        while True:
            here, _ = self.listener.accept()
            if self.is_cut:
                here.close()
                continue
            there = socket.socket(socket.AF_UNIX)
            there.connect(self.to)
            self.open += [here, there]
            for source, sink in ((here, there), (there, here)):
                threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    @staticmethod
    def _copy(source, sink):
        try:
            while some := source.recv(65536):
                sink.sendall(some)
        except OSError:
            pass
        for each in (source, sink):
            Way._end(each)

    @staticmethod
    def _end(one):
        try:
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def cut(self):
        self.is_cut = True
        for each in self.open:
            self._end(each)

    def mend(self):
        self.is_cut = False


class CutOff(OnePage):
    stores = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        direct = dict(cls.house.settings)
        folder = parse_qs(urlsplit(direct["DATABASE_URL"]).query)["host"][0]
        led = [str(cls.house.root / "led-to-postgres"), str(cls.house.root / "led-to-redis" / "socket")]
        cls.database = Way(f"{led[0]}/.s.PGSQL.5432", f"{folder}/.s.PGSQL.5432")
        cls.redis = Way(led[1], direct["REDIS_URL"].removeprefix("unix:"))
        cls.house.settings |= {"DATABASE_URL": direct["DATABASE_URL"].replace(folder, led[0]), "REDIS_URL": f"unix:{led[1]}"}
        cls.port = free_port()
        cls.other = cls.house.start_server(cls.port).pid
        cls.house.settings = direct
        cls.house.configure("default", "delay", 300)  # so that it holds payments
        cls.house.start_load(cls.port, 50)

    def setUp(self):
        super().setUp()
        self.wait_for_headline("^All well$", 60)
        until(lambda: self.held() > 0, "the other is seen to hold payments")

    def held(self):
        cells = self.texts("#instances tr > :is(:first-child, :nth-child(3))")
        return sum(number(held) for name, held in zip(cells[::2], cells[1::2]) if f":{self.other} / " in name)

    def test_one_cut_off_from_postgresql_is_said_so_and_its_payments_are_in_hand(self):
        self.addCleanup(self.database.mend)
        self.database.cut()
        self.wait_for_headline(f":{self.other} is cut off from PostgreSQL$", 30)
        self.assertEqual(self.level("verdict"), "warn")
        self.wait_for_text("notes", f"payments of .*:{self.other} were taken over by", 30)
        self.database.mend()
        self.wait_for_headline("^All well$", 60)

    def test_one_cut_off_from_redis_alone_is_not_said_to_be_lost(self):
        self.addCleanup(self.redis.mend)
        self.redis.cut()
        self.wait_for_headline(f":{self.other} shows itself no more: dead, or cut off from Redis$", 30)
        self.assertEqual(self.level("verdict"), "warn")
        self.house.post(self.port)
        self.redis.mend()
        self.wait_for_headline("^All well$", 60)
