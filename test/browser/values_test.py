"""The page shows what happens: values under load, and whatever is killed."""

import json
import re
import signal
import time

from dashboard_house import until
from one_page import ESCAPE, OnePage, number


class Values(OnePage):
    # Nothing is promised of how soon all is well again: a doubt may be asked about once a minute.

    def test_values_change_under_load_and_equal_the_summary_at_rest(self):
        before = number(self.text("accepted-all").split()[0])
        self.under_load()
        self.wait_for_text("accept-p99", r"^\d")
        for _ in range(4):
            shown = json.dumps(self.text("accepted-all"))
            self.browser.wait(f"return document.getElementById('accepted-all').textContent !== {shown}", 20)
        until(lambda: number(self.text("accepted-all").split()[0]) > before + 300, "more are accepted")
        self.wait_for_headline("^All well$", 60)
        self.browser.wait("""return ['rate-chart', 'latency-chart'].every(id => Chart.getChart(id).data.datasets.every(
            line => line.data.filter(point => point.y > 0).length >= 3))""", 20, "each line is drawn")
        self.house.kill(self.load, signal.SIGTERM)
        until(lambda: self.books() == self.summary(), "the books on the page are the summary's")

    def books(self):
        cells = self.texts("#books tr > *")
        lines = [cells[i:i + 4] for i in range(0, len(cells), 4)]
        return {name: (number(count), amount.replace(",", "")) for name, count, amount, _ in lines}

    def summary(self):
        found = self.house.read(self.ports[0], "/payments-summary")
        return {name: (one["totalRequests"], f"{one['totalAmount']:.2f}") for name, one in found.items()}

    def test_a_killed_processor_turns_red_within_two_seconds_under_load(self):
        self.under_load()
        killed = time.monotonic()
        self.house.kill(self.house.default)
        self.browser.wait("""const cards = [...document.querySelectorAll('#processors article')];
            return cards.find(card => card.querySelector('h3').textContent === 'default').dataset.level === 'bad'""", 20)
        took = time.monotonic() - killed
        print(f"a killed processor is red after {took:.2f} s (promised: 2 s)")
        self.assertLess(took, 6)
        self.assertEqual([self.text("headline"), self.level("verdict")], ["default is failing", "bad"])
        self.wait_for_text("changes", "default")
        self.house.default = self.house.start_processor("default")
        self.wait_for_headline("^All well$", 180)

    # Without load: were default to stall, payments would try fallback, and need it.

    def test_a_processor_that_is_back_and_not_needed_is_no_trouble(self):
        self.house.configure("fallback", "failure", True)
        self.wait_for_headline("^fallback is failing$", 20)
        self.house.configure("fallback", "failure", False)
        self.wait_for_text("processors", "Well again, it says: not needed since", 20)
        self.wait_for_headline("^All well$", 20)

    def test_a_processor_that_is_dead_and_not_needed_is_said_to_be_silent(self):
        self.house.kill(self.house.fallback)
        self.wait_for_headline("^fallback is silent$", 60)
        self.assertEqual(self.level("verdict"), "warn")
        self.wait_for_text("processors", "Silent: says nothing of its health")
        self.house.fallback = self.house.start_processor("fallback")
        self.wait_for_headline("^All well$", 60)

    def test_no_processor_at_all_is_said_so_with_what_waits(self):
        self.under_load(100)
        self.house.kill(self.house.default)
        self.house.kill(self.house.fallback)
        self.wait_for_headline("^No processor takes payments$", 20)
        self.wait_for_text("notes", "payments wait, the oldest for")
        self.house.default = self.house.start_processor("default")
        self.house.fallback = self.house.start_processor("fallback")
        self.wait_for_headline("^All well$", 180)

    def test_payments_in_doubt_are_listed_and_lead_to_their_way(self):
        self.under_load(100)
        self.house.default.send_signal(signal.SIGSTOP)
        self.house.fallback.send_signal(signal.SIGSTOP)
        try:
            self.browser.wait("return document.querySelectorAll('#doubt a').length > 0", 60)
            self.browser.run("document.querySelector('#doubt a').click()")
            self.wait_for_text("payment-state", "In doubt")
            self.wait_for_text("payment-facts", r"In doubtfor \d+ m?s: ")
        finally:
            self.house.default.send_signal(signal.SIGCONT)
            self.house.fallback.send_signal(signal.SIGCONT)
        self.wait_for_text("payment-state", "Settled", 180)  # without being asked for
        self.browser.press(ESCAPE)
        self.wait_for_count("#doubt a", 0, 180)
        self.wait_for_text("doubt-note", "^No payment")


class TwoServers(OnePage):
    stores = True
    server_count = 2

    def test_a_lost_server_is_said_so_with_who_took_over(self):
        self.house.configure("default", "delay", 200)  # so that each holds payments
        self.under_load()
        second_load = self.house.start_load(self.ports[1], 200)
        second = self.servers[1].pid
        until(lambda: self.held().get(second, 0) > 0, "the second is seen to hold payments")
        killed = time.monotonic()
        self.house.kill(self.servers[1])
        self.wait_for_headline(f":{second} (shows itself no more|was lost)", 21)
        print(f"a lost server is said so after {time.monotonic() - killed:.2f} s (takeover begins within 7 s)")
        self.wait_for_headline(f":{second} was lost, taken over by .*:{self.servers[0].pid}$", 21)
        lost = self.texts("#instances tr[data-level=bad] th")
        self.assertEqual(len(lost), 1)
        self.assertIn(f":{second} ", lost[0])
        self.house.kill(second_load)
        self.house.configure("default", "delay", 0)
        self.servers[1] = self.house.start_server(self.ports[1])
        self.wait_for_headline("^All well$", 180)

    def servers_shown(self, column):
        """Of each server on the page by its process."""
        cells = self.texts(f"#instances tr > :is(:first-child, :nth-child({column}))")
        return {int(re.search(r":(\d+) / ", name)[1]): text for name, text in zip(cells[::2], cells[1::2])}

    def states(self):
        return self.servers_shown(2)

    def held(self):
        return {process: number(text) for process, text in self.servers_shown(3).items()}

    def test_the_next_becomes_the_eldest_when_the_eldest_is_lost(self):
        self.wait_for_headline("^All well$", 180)
        pids = [server.pid for server in self.servers]
        until(lambda: sorted(self.states().get(pid) for pid in pids) == ["serving", "serving, eldest"], "one is the eldest")
        eldest = next(i for i, pid in enumerate(pids) if self.states()[pid] == "serving, eldest")
        self.browser.open(f"http://127.0.0.1:{self.ports[1 - eldest]}/")
        self.wait_for_link("live")
        killed = time.monotonic()
        self.house.kill(self.servers[eldest])
        until(lambda: self.states().get(pids[1 - eldest]) == "serving, eldest", "the next is the eldest")
        print(f"the next is shown as the eldest after {time.monotonic() - killed:.2f} s")
        until(lambda: self.states()[pids[eldest]] == "seen no more, it held no payments", "the lost one is said so")
        self.wait_for_headline(f":{pids[eldest]} shows itself no more: dead, or cut off from Redis$", 20)
        self.servers[eldest] = self.house.start_server(self.ports[eldest])
        self.wait_for_headline("^All well$", 180)

    def test_postgresql_away_is_said_so(self):
        self.under_load(100)
        killed = time.monotonic()
        self.house.kill_postgres()
        self.wait_for_headline("^PostgreSQL is away: Redis takes payments in$", 20)
        print(f"PostgreSQL killed is said so after {time.monotonic() - killed:.2f} s")
        self.browser.wait("return parseFloat(document.getElementById('accepted').textContent.replace(/,/g, '')) > 30", 20,
                          "what Redis takes in is counted")
        self.house.postgres_comes_back()
        self.wait_for_headline("^All well$", 180)

    def test_redis_away_is_said_so(self):
        self.house.kill(self.house.cache)
        self.wait_for_headline("^Redis is away", 20)
        self.house.redis_comes_back()
        self.wait_for_headline("^All well$", 180)
