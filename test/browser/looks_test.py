"""The page for everybody, whatever they look with; and when there is nothing to see."""

import json
import signal
import time
import urllib.request
import uuid

import page_checks
from dashboard_house import until
from one_page import ENTER, ESCAPE, TAB, OnePage


class Connection(OnePage):
    def opacity(self):
        return float(self.browser.run("return getComputedStyle(document.querySelector('.values')).opacity"))

    def test_a_lost_connection_is_said_at_once_and_ends_by_itself(self):
        self.allowed = ["events.*net::ERR_"]
        killed = time.monotonic()
        self.house.kill(self.servers[0])
        self.wait_for_link("lost")
        took = time.monotonic() - killed
        print(f"a server that ended is said to be lost after {took:.2f} s")
        self.assertLess(took, 9)
        self.assertEqual(self.text("headline"), "Connection to the server lost")
        self.wait_for_text("notes", r"What you see is of \d\d:\d\d:\d\d UTC")
        self.assertLess(self.opacity(), 0.6)
        time.sleep(2)
        self.servers[0] = self.house.start_server(self.ports[0])
        self.wait_for_link("live")
        self.wait_for_headline("^All well$", 60)
        self.assertEqual(self.opacity(), 1)

    def test_silence_is_said_after_three_seconds_and_ends_by_itself(self):
        self.allowed = ["events.*net::ERR_"]
        stopped = time.monotonic()
        self.servers[0].send_signal(signal.SIGSTOP)
        try:
            self.wait_for_link("lost")
            took = time.monotonic() - stopped
            print(f"a silent server is said to be lost after {took:.2f} s (promised: 3 s)")
            self.assertLess(took, 9)
            time.sleep(9)  # by then a new connection is tried
        finally:
            self.servers[0].send_signal(signal.SIGCONT)
        self.wait_for_link("live")

    def test_a_tab_that_nobody_sees_hears_nothing_and_draws_nothing(self):
        self.browser.run("""window.touched = 0;
            window.hiddenAt = Infinity;
            new MutationObserver(() => { if (document.hidden && performance.now() - hiddenAt > 200) ++touched; })
              .observe(document, {subtree: true, childList: true, characterData: true, attributes: true});
            addEventListener('visibilitychange', () => { if (document.hidden) hiddenAt = performance.now(); }, true);""")
        shown = self.browser.call("GET", "/window")
        other = self.browser.call("POST", "/window/new", {"type": "tab"})["handle"]
        self.browser.call("POST", "/window", {"handle": other})
        until(lambda: self.viewers() == 1, "nobody listens but the one that asks")
        time.sleep(2)
        self.browser.call("DELETE", "/window")
        self.browser.call("POST", "/window", {"handle": shown})
        self.browser.wait("return /^✓ All well/.test(document.title)", 10)
        self.assertEqual(self.browser.run("return [hiddenAt < performance.now(), touched]"), [True, 0])
        until(lambda: self.viewers() == 2, "the page listens again")

    def viewers(self):
        time.sleep(2)  # until the server has seen that the last one has gone
        with urllib.request.urlopen(self.url + "events", timeout=5) as stream:
            return next(json.loads(line[6:])["viewers"] for line in stream if line.startswith(b'data: {"time"'))


class Everybody(OnePage):
    def disliked(self, check):
        """Once the page has had time to follow the look."""
        end = time.monotonic() + 10
        while (wrong := self.browser.run(check)) and time.monotonic() < end:
            time.sleep(0.1)
        return wrong

    def test_light_and_dark(self):
        colours = """const chart = Chart.getChart('rate-chart');
            return [getComputedStyle(document.body).backgroundColor, chart.data.datasets[0].borderColor,
              chart.options.scales.x.ticks.color]"""
        light = self.browser.run(colours)
        self.browser.look(1320, 1000, dark=True)
        until(lambda: all(one != other for one, other in zip(light, self.browser.run(colours))), "all of them are others")

    def test_every_width_is_without_horizontal_scrolling_and_cuts_nothing_off(self):
        self.under_load(50)
        one = self.house.post(self.ports[0])
        for width in (320, 360, 414, 620, 768, 1000, 1024, 1280, 1920):
            with self.subTest(width=width):
                self.browser.look(width, 780, mobile=width < 500)
                time.sleep(0.3)  # the charts follow
                for check in (page_checks.TOO_WIDE, page_checks.CUT_OFF):
                    self.assertEqual(self.disliked(check), [])
        self.browser.look(360, 780, mobile=True)
        self.open(f"#payment={one}")
        self.wait_for_count("#payment-way li", 3)
        self.assertEqual(self.browser.run(page_checks.TOO_WIDE), [])

    def test_every_control_is_reached_by_tab_and_shows_it(self):
        self.check_tabs()
        self.browser.type("wanted", str(uuid.UUID(int=7)) + ENTER)
        self.allowed = ["status of 404"]
        self.wait_for_count("dialog[open]", 1)
        self.check_tabs()
        self.browser.press(ESCAPE)
        self.wait_for_count("dialog[open]", 0)
        self.assertEqual(self.browser.run("return document.activeElement.id"), "wanted")

    def check_tabs(self):
        wanted = set(self.browser.run(page_checks.CONTROLS))
        reached = {}
        for _ in range(len(wanted) + 4):
            self.browser.press(TAB)
            focused = self.browser.run(page_checks.FOCUSED)
            if focused:
                reached[focused["is"]] = focused["ring"]
        self.assertLessEqual(wanted, set(reached))
        self.assertTrue(all(reached.values()), reached)

    def test_it_is_accessible_when_all_is_well_and_when_not(self):
        one = self.house.post(self.ports[0])
        for dark in (False, True):
            self.browser.look(1320, 1000, dark=dark, calm=True)
            self.open(f"#payment={one}")
            self.wait_for_count("#payment-way li", 3)
            self.assertEqual(self.browser.run(page_checks.ACCESSIBLE), [])
            self.browser.press(ESCAPE)
            self.assertEqual(self.browser.run(page_checks.ACCESSIBLE), [])
            self.assertEqual(self.browser.run("return document.getAnimations().length"), 0)
        self.under_load(100)
        self.house.kill(self.house.default)
        self.wait_for_headline("failing", 20)
        for dark in (False, True):
            self.browser.look(1320, 1000, dark=dark)
            self.browser.wait(f"return matchMedia('(prefers-color-scheme: dark)').matches === {json.dumps(dark)}")
            self.assertEqual(self.disliked(page_checks.ACCESSIBLE), [])
        self.house.default = self.house.start_processor("default")
        self.wait_for_headline("^All well$", 180)

    def test_the_headline_alone_is_read_aloud_when_it_changes(self):
        self.assertEqual(self.browser.run("return [...document.querySelectorAll('main [aria-live]')].map(e => e.id)"), ["headline"])
        self.assertEqual(len(self.texts("header [role=search]")), 1)

    def test_the_page_of_the_api_is_accessible_and_fits_a_telephone(self):
        self.browser.open(self.url + "dashboard/api.html")
        self.browser.wait("return document.querySelectorAll('#operations h3').length > 10", 10)
        for dark in (False, True):
            self.browser.look(1320, 1000, dark=dark)
            self.assertEqual(self.browser.run(page_checks.ACCESSIBLE), [])
        self.browser.look(360, 780, mobile=True)
        self.assertEqual(self.browser.run(page_checks.TOO_WIDE), [])

    def test_nothing_comes_from_elsewhere(self):
        origins = self.browser.run("""return [...new Set(performance.getEntriesByType('resource')
            .map(one => new URL(one.name).origin))]""")
        self.assertEqual(origins, [self.url[:-1]])
        self.assertEqual(self.texts("script:not([src]), style"), [])
