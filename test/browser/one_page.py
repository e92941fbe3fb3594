"""What the cases share: servers of their own, the page of the first, open in a browser whose console stays empty."""

import re
import signal
import time
import unittest

from chromium import Chromium, free_port
from dashboard_house import DashboardHouse

TAB, ESCAPE, ENTER = "\ue004", "\ue00c", "\ue007"


def number(text):
    return float(text.replace(",", ""))


class OnePage(unittest.TestCase):
    build = ""  # the folder with the programs
    stores = False  # PostgreSQL and Redis; else payments live in memory
    server_count = 1

    @classmethod
    def setUpClass(cls):
        cls.house = cls.enterClassContext(DashboardHouse(cls.build, cls.stores))
        cls.ports = [free_port() for _ in range(cls.server_count)]
        cls.servers = [cls.house.start_server(port) for port in cls.ports]
        cls.url = f"http://127.0.0.1:{cls.ports[0]}/"
        cls.browser = cls.enterClassContext(Chromium())

    def setUp(self):
        self.load = None
        self.allowed = []  # what the console may say in this case
        self.browser.look(1320, 1000)
        self.open()

    def tearDown(self):
        if self.load:
            self.house.kill(self.load, signal.SIGTERM)
        heard = [line["message"] for line in self.browser.console()]
        self.assertEqual([line for line in heard if not any(re.search(one, line) for one in self.allowed)], [])

    def open(self, address=""):
        self.browser.open("about:blank")
        self.browser.open(self.url + address)
        self.wait_for_link("live")

    def text(self, element):
        return self.browser.run("return document.getElementById(arguments[0]).textContent", element)

    def texts(self, selector):
        return self.browser.run("return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", selector)

    def level(self, element):
        return self.browser.run("return document.getElementById(arguments[0]).dataset.level", element)

    def wait_for_text(self, element, pattern, seconds=10):
        """As a regular expression; seconds until then."""
        begun = time.monotonic()
        script = f"return /{pattern}/.test(document.getElementById('{element}').textContent)"
        try:
            self.browser.wait(script, seconds, f"{element}: {pattern}")
        except AssertionError as late:
            late.add_note(f"it says: {self.text(element)}; {self.text('notes')}; {self.text('processors')}")
            raise
        return time.monotonic() - begun

    def wait_for_count(self, selector, count, seconds=10):
        self.browser.wait(f"return document.querySelectorAll('{selector}').length === {count}", seconds)

    def wait_for_link(self, state, seconds=15):
        self.browser.wait(f"return document.body.dataset.link === '{state}'", seconds)

    def wait_for_headline(self, pattern, seconds):
        self.wait_for_text("headline", pattern, seconds)

    def under_load(self, rate=300):
        self.load = self.house.start_load(self.ports[0], rate)
        self.browser.wait(f"""const settled = document.getElementById('settled').textContent.replace(/,/g, '');
            return parseFloat(settled) > {rate / 3}""", 15)
