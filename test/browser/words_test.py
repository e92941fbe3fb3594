"""What the page makes of a snapshot, and of a payment that is searched."""

import json
import uuid

import page_checks
from dashboard_house import ADMIN_TOKEN
from one_page import ENTER, OnePage

# Keeps the first snapshot, and the stream, where a case can find them. Once the page was made to hear another, it hears
# that one each second, in the place of what the server sends.
LISTEN = """const Real = EventSource;
window.EventSource = class extends Real {
  constructor(...all) {
    super(...all);
    window.stream = this;
    super.addEventListener('snapshot', event => { window.first ??= event.data; });
  }
  addEventListener(name, hear) {
    super.addEventListener(name, event => hear(name === 'snapshot' && event.isTrusted && window.held || event));
  }
};"""

# Has the page hear that snapshot once for each of %s, changed by it, and tells what it says then.
HEAR = """const n = JSON.parse(window.first);
const later = seconds => new Date(Date.parse(n.time) + seconds * 1e3).toISOString();
const lost = heir => ({...n.instances[0], instance: 'other:7', state: 'lost', takenOverBy: heir, seenSecondsAgo: 3, held: 9});
const stores = (database, intake) => [['PostgreSQL', database], ['Redis', true], ['intake', intake]]
  .map(([name, up]) => ({name, up, latencyMillis: 1, sinceSeconds: 4, detail: ''}));
const each = (of, type, change) => {
  for (const key in of) {
    if (of[key] && typeof of[key] === 'object') each(of[key], type, change);
    else if (typeof of[key] === type && key !== 'time') of[key] = change;
  }
};
for (const change of %s) {
  eval(change);
  window.held = new MessageEvent('snapshot', {data: JSON.stringify(n)});
  window.stream.dispatchEvent(window.held);
}
return [document.getElementById('headline').textContent, document.getElementById('verdict').dataset.level];"""


class Words(OnePage):
    def setUp(self):
        added = self.browser.devtools("Page.addScriptToEvaluateOnNewDocument", source=LISTEN)
        self.addCleanup(self.browser.devtools, "Page.removeScriptToEvaluateOnNewDocument", **added)
        super().setUp()

    def hear(self, *changes):
        return self.browser.run(HEAR % json.dumps(changes))

    def test_the_headline_names_the_worst(self):
        for changes, headline, level in (
                (["0"], "All well", "good"),
                (["n.processors[0].breaker = 'open'"], "default is failing", "bad"),
                (["n.processors[1].failing = true"], "fallback says that it fails, and takes payments", "warn"),
                (["n.processors.forEach(p => { p.failing = true; })"],
                 "default and fallback say that they fail, and take payments", "warn"),
                (["Object.assign(n.processors[1], {failing: true, heardSecondsAgo: 21})"], "fallback is silent", "warn"),
                (["Object.assign(n.processors[1], {breaker: 'half-open', failing: true, heardSecondsAgo: 21})"],
                 "fallback is silent", "warn"),
                (["n.processors.forEach(p => { p.breaker = 'open'; })"], "No processor takes payments", "bad"),
                (["Object.assign(n.processors[0], {breaker: 'half-open', isOnTrial: true})"], "default is being tried again", "warn"),
                (["Object.assign(n.processors[1], {breaker: 'half-open', isOnTrial: false, inFlight: 1})"], "All well", "good"),
                (["Object.assign(n.processors[1], {breaker: 'half-open', failing: true})"], "fallback is failing", "bad"),
                (["n.processors[0].expectedMillis = n.processors[0].settleWithinMillis + 1"], "default is slow", "warn"),
                (["n.processors[1].heardSecondsAgo = 21"], "fallback is silent", "warn"),
                (["Object.assign(n, {uptimeSeconds: 21}).processors[1].heardSecondsAgo = null"], "fallback is silent", "warn"),
                (["Object.assign(n, {uptimeSeconds: 19}).processors[1].heardSecondsAgo = null"], "All well", "good"),
                (["n.stores = stores(true, true)", "n.processors[1].heardSecondsAgo = 21"], "All well", "good"),
                (["n.stores = stores(false, true)"], "PostgreSQL is away: Redis takes payments in", "warn"),
                (["n.stores = stores(false, false)"], "PostgreSQL is away: payments are refused", "bad"),
                (["n.stores = stores(true, false)"], "Redis would take no payments in", "warn"),
                (["n.stores[0].up = false"], "No more payments are taken", "bad"),
                (["n.stores = stores(false, true)", "n.processors[0].breaker = 'open'"], "default is failing", "bad"),
                (["n.instances.push(lost('one:5'))"], "Server other:7 was lost, taken over by one:5", "warn"),
                (["n.instances.push(lost(null))"],
                 "Server other:7 shows itself no more: dead, or cut off from Redis", "warn"),
                (["n.instances.push({...lost(null), held: 0})"],
                 "Server other:7 shows itself no more: dead, or cut off from Redis", "warn"),
                (["n.instances.push({...lost(null), held: 0, seenSecondsAgo: 61})"], "All well", "good"),
                (["n.stores = stores(true, true)", "n.instances.push({...lost(null), seenSecondsAgo: 61})"],
                 "Server other:7 shows itself no more: dead, or cut off from Redis", "warn"),  # the stores came just now
                (["n.instances.push({...lost(null), instance: n.instances[0].instance, reactor: 9})"],
                 "Reactor 9 of SELF shows itself no more: dead, or cut off from Redis", "warn"),
                (["n.instances.push({...lost(null), instance: n.instances[0].instance})"],
                 "Server SELF shows itself no more: dead, or cut off from Redis", "warn"),  # a former life
                (["n.instances.push({...n.instances[0], reactor: 1, state: 'does not answer'})"],
                 "Reactor 1 of SELF does not answer", "bad"),
                (["n.instances.push({...lost(null), state: 'cut off from PostgreSQL'})"],
                 "Server other:7 is cut off from PostgreSQL", "warn"),
                (["n.instances.push({...lost('one:5'), seenSecondsAgo: 61})"], "All well", "good"),
                (["n.instances.push({...lost(null), seenSecondsAgo: 61})"],
                 "Server other:7 shows itself no more, and nobody has taken payments of it over", "bad"),
                (["Object.assign(n.instances[0], {state: 'stopping', instance: 'a:1'})"], "Server a:1 is stopping", "warn"),
                (["Object.assign(n.backlog, {waiting: 230, held: 240, oldestSeconds: 7})"], "Payments wait", "warn"),
                (["n.backlog.inDoubt = 3"], "All well", "good"),
                (["n.backlog.inDoubt = 3", "n.time = later(12)"], "All well", "good"),  # others each second
                (["Object.assign(n.backlog, {inDoubt: 3, oldestInDoubtSeconds: 10})"], "Payments are in doubt", "warn"),
                (["n.payments.refused = 5", "n.time = later(2)"], "Payments are refused", "bad"),
                (["n.payments.refused = 5", "n.time = later(20)"], "All well", "good"),
                (["n.payments.refused = 9", "n.time = later(-3600)"], "All well", "good")):
            with self.subTest(headline=headline, changes=changes):
                here = self.browser.run("return JSON.parse(window.first).instances[0].instance")
                self.assertEqual(self.hear(*changes), [headline.replace("SELF", here), level])

    def test_the_curves_go_on_when_the_clock_of_the_server_is_set_back(self):
        shown = self.browser.run("""const n = JSON.parse(window.first);
            const noon = Date.parse(n.time);
            for (const seconds of [0, 1, -3600, -3599]) {
              const data = JSON.stringify({...n, time: new Date(noon + seconds * 1e3).toISOString()});
              window.stream.dispatchEvent(new MessageEvent('snapshot', {data}));
            }
            return Chart.getChart('rate-chart').data.datasets[0].data.map(point => point.x - noon)""")
        self.assertEqual(shown, [-3600e3, -3599e3])

    def test_the_notes_say_what_waits_and_all_other_troubles(self):
        self.hear("Object.assign(n.backlog, {waiting: 1230, oldestSeconds: 6}); n.instances.push(lost('one:5'));"
                  "n.processors[0].breaker = 'open'")
        for words in ("1,230 payments wait, the oldest for 6 s", "fallback can take payments", "Server other:7 was lost"):
            self.assertIn(words, self.text("notes"))
        self.assertNotIn("Payments wait", self.text("notes"))

    def test_what_waits_in_redis_is_told_beside_what_servers_hold(self):
        self.hear("Object.assign(n.backlog, {takenIn: 50_000, held: 7, waiting: 0, oldestSeconds: 0})")
        self.assertEqual([self.text("waiting"), self.text("oldest")], ["50,000", "7 held, 50,000 in Redis"])
        self.assertIn("50,000 payments wait in Redis for PostgreSQL", self.text("notes"))
        self.assertNotIn("nothing waits", self.text("notes"))
        self.assertEqual(self.browser.run("return Chart.getChart('backlog-chart').data.datasets[1].data.at(-1).y"), 50_000)
        self.hear("n.backlog.takenIn = null")
        self.assertNotIn("Redis", self.text("oldest") + self.text("notes"))

    def test_what_a_slow_processor_costs_is_told(self):
        self.hear("n.processors[0].expectedMillis = 2e3")
        self.assertIn("payments pay the higher fee of fallback", self.text("notes"))
        self.assertIn("Slow: used only when there is no other", self.text("processors"))
        self.hear("n.processors[1].expectedMillis = 2e3")
        self.assertIn("payments go to default", self.text("notes"))
        self.hear("n.processors.forEach(p => { p.expectedMillis = 2e3; })")
        self.assertIn("there is none that is faster", self.text("notes"))

    def test_what_became_of_payments_is_told_where_the_server_is(self):
        for change, words, level in (
                ("lost(null)", "seen no more, not yet taken over", "warn"),
                ("{...lost(null), held: 0}", "seen no more, it held no payments", "warn"),
                ("{...lost(null), seenSecondsAgo: 61}", "seen no more, nobody has taken payments of it over", "bad"),
                ("lost('one:5')", "lost, taken over by one:5", "bad"),
                ("{...lost('one:5'), state: 'cut off from PostgreSQL'}",
                 "cut off from PostgreSQL, taken over by one:5", "warn")):
            with self.subTest(words=words):
                self.hear(f"n.instances.push({{...{change}, isEldest: false}})")
                self.assertEqual(self.texts("#instances tr:last-child .state"), [words])
                self.assertEqual(len(self.texts(f"#instances tr:last-child[data-level={level}]")), 1)

    def test_sums_of_the_past_are_said_to_be_so(self):
        self.hear("n.books.isCurrent = true")
        self.assertNotIn("last look", self.text("fees-note"))
        self.hear("n.books.isCurrent = false")
        self.assertRegex(self.text("fees-note"), "as of the last look$")

    def test_texts_never_become_markup(self):
        before = len(self.texts("img, script"))
        self.hear("n.changes.push({time: n.time, level: 'info', instance: 'a', text: 'b'}); n.instances.push(lost('c'));"
                  "each(n, 'string', '<img src=x onerror=\"document.title=1\"><script>document.title=1</' + 'script>');"
                  "n.instances.at(-1).state = 'lost'")
        self.assertEqual(len(self.texts("img, script")), before)
        for part in ("headline", "about", "processors", "books", "instances", "stores", "changes"):
            self.assertIn("<img", self.text(part), part)
        self.assertEqual(self.browser.run(page_checks.TOO_WIDE), [])

    def test_what_is_not_known_is_shown_as_such(self):
        self.hear("each(n, 'number', null); n.latency = {accept: null, endToEnd: null}; n.books = null;"
                  "n.processors[0].failing = null")
        self.assertEqual(self.text("accepted"), "–")
        for word in ("NaN", "undefined", "null", "Infinity", "[object"):
            self.assertNotIn(word, self.texts("body")[0])


class Search(OnePage):
    stores = True  # memory has no audit trail

    def steps(self):
        return self.texts("#payment-way li > b")

    def test_the_way_of_a_payment_without_and_with_the_token(self):
        one = self.house.post(self.ports[0], 1234.50)
        self.browser.type("wanted", one + ENTER)
        self.wait_for_text("payment-state", "^Settled$")
        self.assertEqual(self.steps(), ["accepted", "sent", "settled"])
        self.assertIn("1,234.50", self.text("payment-facts"))
        self.assertEqual(self.browser.run("return location.hash"), f"#payment={one}")
        self.house.post(self.ports[0], 1, one, wanted=409)
        self.allowed = ["status of 401"]
        self.browser.type("token", "wrong" + ENTER)
        self.wait_for_text("token-note", "wrong")
        self.assertEqual(self.browser.run("return sessionStorage.length"), 0)
        self.browser.type("token", ADMIN_TOKEN + ENTER)
        self.wait_for_count("#payment-way li", 4)
        self.assertEqual(sorted(self.steps()), ["accepted", "conflict", "sent", "settled"])
        kept = self.browser.run("return [document.getElementById('token').value, localStorage.length, document.cookie]")
        self.assertEqual(kept, ["", 0, ""])
        self.browser.click("close")
        self.browser.wait("return !document.getElementById('payment').open && location.hash === ''", 5)
        self.browser.run("sessionStorage.clear()")

    def way(self):
        """Of each step its name, and whether its time is told."""
        times = self.texts("#payment-way li > time")
        for time in times:
            self.assertRegex(time, r"^(\d\d:\d\d:\d\d\.\d{3}( \+.*)?|time not known)$")
        return [(step, time != "time not known") for step, time in zip(self.steps(), times)]

    def look_with_token(self, steps):
        self.browser.type("token", ADMIN_TOKEN + ENTER)
        self.addCleanup(self.browser.run, "sessionStorage.clear()")
        self.wait_for_text("token-note", "^The audit trail is shown")
        self.wait_for_count("#payment-way li", steps)

    def test_the_way_of_one_in_doubt_says_which_times_are_not_known(self):
        for name in ("default", "fallback"):
            self.house.configure(name, "delay", 20_000)
        one = self.house.post(self.ports[0])
        self.open(f"#payment={one}")
        self.wait_for_text("payment-state", "^Under way$")
        self.assertEqual(self.way(), [("accepted", True), ("sent", False)])
        at = self.house.read(self.ports[0], f"/payments/{one}")["processor"]
        self.house.kill(getattr(self.house, at))  # it may have taken it
        self.wait_for_text("payment-state", "^In doubt", 20)
        self.assertEqual(self.way(), [("accepted", True), ("sent", False), ("in doubt", False)])
        self.look_with_token(3)
        self.assertEqual(self.way(), [("accepted", True), ("sent", False), ("in doubt", True)])
        setattr(self.house, at, self.house.start_processor(at))
        for name in ("default", "fallback"):
            self.house.configure(name, "delay", 0)
        self.wait_for_text("payment-state", "^Settled$", 180)
        self.assertTrue(all(is_told for _, is_told in self.way()), self.way())

    def test_the_way_of_one_rejected_says_which_times_are_not_known(self):
        one = str(uuid.uuid4())
        for name in ("default", "fallback"):
            self.house.post_to_processor(name, 2.00, one)
        self.house.post(self.ports[0], 1.00, one)
        self.open(f"#payment={one}")
        self.wait_for_text("payment-state", "^Rejected$", 20)
        self.assertEqual(self.way(), [("accepted", True), ("sent", False), ("rejected", False)])
        self.look_with_token(3)
        self.assertEqual(self.way(), [("accepted", True), ("sent", False), ("rejected", True)])

    def test_a_link_opens_its_payment(self):
        self.open(f"#payment={self.house.post(self.ports[0])}")
        self.wait_for_count("dialog[open] #payment-way li", 3)

    def test_what_is_no_payment_is_said_so_and_never_becomes_markup(self):
        self.allowed = ["status of 404"]
        self.open(f"#payment={uuid.uuid4()}")
        self.wait_for_text("payment-state", "^No such payment$")
        image = "%3Cimg%20src%3Dx%20onerror%3D%22document.title%3D'owned'%22%3E"
        for hostile in (image, "%E0%A4%A", "..%2Fadmin%2Faudit", "%00"):
            self.open(f"#payment={hostile}")
            self.wait_for_text("payment-state", "no correlation id")
            self.assertEqual(self.texts("dialog img, dialog script"), [])
            self.assertNotIn("owned", self.browser.run("return document.title"))
