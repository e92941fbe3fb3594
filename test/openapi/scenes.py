"""How each status of the document is provoked: one function for each state that a server can be in.

Each takes the walk, which asks and compares, and a house, whose programs end with the scene.
"""

import datetime
import json
import signal
import urllib.request
import uuid

from house import until

TOKEN = "an-admin-token-of-32-characters!"
KEY = {"X-Admin-Token": TOKEN}
UNKNOWN = "00000000-0000-4000-8000-000000000000"


def payment(amount="19.90", correlation_id=None):
    correlation_id = correlation_id or str(uuid.uuid4())
    return correlation_id, f'{{"correlationId":"{correlation_id}","amount":{amount}}}'.encode()


def body_of(server, target, headers=None):
    return json.loads(server.ask("GET", target, headers).body)


def post_and_settle(walk, server):
    """The id of a payment that has been processed."""
    one, body = payment()
    walk.ask(server, "postPayment", 202, body=body)
    until(lambda: body_of(server, f"/payments/{one}")["status"] == "processed", "it is processed")
    return one


def in_memory(walk, house):
    """A server with processors that work, payments in memory."""
    server = house.server(
        ADMIN_TOKEN=TOKEN, PROCESSOR_DEFAULT_URL=house.processor(), PROCESSOR_FALLBACK_URL=house.processor()
    )
    what_clients_ask(walk, server)
    what_a_browser_asks(walk, server)
    what_is_wrong_with_payments(walk, server)
    what_is_wrong_with_parameters(walk, server)
    what_the_administrator_asks(walk, server)
    of_every_operation(walk, server)
    walk.other_methods(server, TOKEN)
    walk.other_paths(
        server,
        ["/nothing", "/payments/a/b", "//payments", "/Payments", "/payments-summary/", "/admin", "/payments%2Fx"],
    )
    walk.other_paths(server, ["/admin/", "/admin/nothing", "/admin/cache"], KEY)
    server.stop()


def what_clients_ask(walk, server):
    one = post_and_settle(walk, server)
    for trace in (f"00-{uuid.uuid4().hex}-00f067aa0ba902b7-01", "nonsense"):
        walk.ask(server, "postPayment", 202, body=payment()[1], headers={"traceparent": trace})
    walk.ask(server, "postPayment", 202, body=payment(correlation_id=one)[1])  # replayed
    other_case = {"Content-Type": "application/JSON; charset=UTF-8"}
    walk.ask(server, "postPayment", 202, body=payment(correlation_id=one.upper())[1], headers=other_case)
    walk.ask(server, "postPayment", 409, body=payment("19.91", one)[1])
    target = f"/payments/{one}"
    walk.head(server, "getPayment", walk.ask(server, "getPayment", 200, target=target), target=target)
    walk.ask(server, "getPayment", 404, target=f"/payments/{UNKNOWN}")
    walk.ask(server, "getPayment", 404, target="/payments/nonsense")
    page = "?status=processed&processor=default&from=2020-01-01T00:00Z&to=2999-12-31&limit=1"
    answer = walk.ask(server, "listPayments", 200, target=page)
    walk.head(server, "listPayments", answer, target=page)
    for _ in range(2):
        post_and_settle(walk, server)
    cursor = body_of(server, "/payments?limit=1")["next"]
    walk.ask(server, "listPayments", 200, target=f"?limit=1000&cursor={cursor}")
    walk.ask(server, "listPayments", 200, target="?limit=&status=&unknown=parameter")
    walk.ask(server, "listPayments", 200, target="?from=2999-01-01&to=2000-01-01")
    for name in ("getSummary", "listProcessors", "getHealth", "getReadiness", "getMetrics"):
        walk.head(server, name, walk.ask(server, name, 200))
    walk.ask(server, "getSummary", 200, target="?from=2025-07-15T12:34:56.123456789+02:00&to=2025-07-15%2014:34")


def snapshot_in(lines):
    """The first of an event stream."""
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ").strip()
        elif line.startswith("data: ") and name == "snapshot":
            return json.loads(line.removeprefix("data: "))
    raise ValueError("no snapshot")


def members_of(value, path=""):
    """The paths of all members, those of every entry of a list together."""
    if isinstance(value, list):
        return set().union(*(members_of(each, f"{path}[]") for each in value))
    if not isinstance(value, dict):
        return set()
    return set().union(*({f"{path}.{name}"} | members_of(each, f"{path}.{name}") for name, each in value.items()))


def what_a_browser_asks(walk, server):
    for name in ("getDashboard", "getDashboardFile", "getDocument"):
        answer = walk.ask(server, name, 200)
        walk.head(server, name, answer)
        walk.ask(server, name, 304, headers={"If-None-Match": answer.fields["ETag"]})
        walk.ask(server, name, 200, headers={"If-None-Match": '"another"'})
        by_gzip = {"Accept-Encoding": "gzip"}
        walk.ask(server, name, 200, headers=by_gzip)
        walk.ask(server, name, 304, headers={**by_gzip, "If-None-Match": "*"})
    for name in ("dashboard.css", "dashboard.js", "chart.js", "favicon.svg"):
        walk.ask(server, "getDashboardFile", 200, target=f"/dashboard/{name}")
    walk.ask(server, "getDashboardFile", 404, target="/dashboard/nothing")
    walk.head(server, "getEvents", walk.ask(server, "getEvents", 200, bytes_max=100))
    with server.connect() as stream:
        stream.sendall(b"GET /events HTTP/1.1\r\nHost: test\r\n\r\n")
        sent = snapshot_in(line.decode() for line in stream.makefile("rb"))
    media = walk.operations["getEvents"].responses[200]["content"]["text/event-stream"]
    shown = snapshot_in(media["example"].splitlines())
    if members_of(sent) != members_of(shown):
        walk.note(f"a snapshot has other members than the example: {members_of(sent) ^ members_of(shown)}")
    if walk.ask(server, "getDocument", 200).body != walk.path.read_bytes():
        walk.note("the server's document is another one")


def what_is_wrong_with_payments(walk, server):
    def refused(status, body, **more):
        walk.ask(server, "postPayment", status, body=body, **more)

    for nonsense in (b"", b"{", b"{}x", b'{"amount":1,"amount":1}', b'{"amount":01}', b"\xff"):
        refused(400, nonsense)
    for kind in ("text/plain", "application/json; charset=latin1", "application/x-www-form-urlencoded", ""):
        refused(415, payment()[1], headers={"Content-Type": kind})
    for amount in ("0", "-1", "1.001", "100000000.00", '"1"', "null", "1e400"):
        refused(422, payment(amount)[1])
    for value in (b'{"amount":1}', b'{"correlationId":"x","amount":1}', b'{"correlationId":1,"amount":1}', b"[]"):
        refused(422, value)
    refused(422, b'{"correlationId":"%s"}' % UNKNOWN.encode())


def what_is_wrong_with_parameters(walk, server):
    numbers = ("limit=0", "limit=1001", "limit=x")
    for wrong in (*numbers, "status=done", "processor=none", "cursor=x", "from=x", "to=2025-02-30"):
        answer = walk.ask(server, "listPayments", 422, target=f"?{wrong}")
        name = wrong.split("=")[0]
        if not json.loads(answer.body)["detail"].startswith(name):
            walk.note(f"?{wrong}: {answer.body}: does not name it")
    walk.ask(server, "getSummary", 422, target="?from=yesterday")
    for malformed in ("?limit=%", "?limit=1&limit=1", "?x=%00"):
        walk.ask(server, "listPayments", 400, target=malformed)


def what_the_administrator_asks(walk, server):
    one = post_and_settle(walk, server)
    trail = {"target": f"?correlationId={one}", "token": TOKEN}
    walk.head(server, "getAudit", walk.ask(server, "getAudit", 200, **trail), **trail)
    walk.ask(server, "getAudit", 404, target=f"?correlationId={UNKNOWN}", token=TOKEN)
    walk.ask(server, "getAudit", 422, target="?correlationId=x", token=TOKEN)
    walk.ask(server, "getAudit", 422, token=TOKEN)
    walk.head(server, "getCacheStats", walk.ask(server, "getCacheStats", 200, token=TOKEN), token=TOKEN)
    for operation in walk.operations.values():
        if operation.is_administrators:
            walk.ask(server, operation.id, 401)
            walk.ask(server, operation.id, 401, target="?malformed=%")
    walk.ask(server, "getAudit", 401, token=TOKEN[:-1] + "?")
    walk.ask(server, "listReconciliations", 422, target="?limit=101", token=TOKEN)
    walk.ask(server, "listReconciliations", 422, target="?cursor=x", token=TOKEN)
    walk.ask(server, "purgePayments", 403)
    walk.ask(server, "purgePayments", 200, token=TOKEN)


def of_every_operation(walk, server):
    """What any request may get, whatever it asks for."""
    for operation in walk.operations.values():
        method, target, headers, body = walk.request(operation, token=TOKEN)

        def sent(status, target=target, version="HTTP/1.1", more=(), length=len(body), body=body):
            lines = [f"{method} {target} {version}", "Host: test", "Connection: close", f"Content-Length: {length}"]
            lines += [f"{name}: {value}" for name, value in headers.items()]
            answer = server.send("\r\n".join([*lines, *more, "", ""]).encode() + body)
            walk.compare(operation, status, answer, f"{method} {target[:100]}")

        sent(400, more=["Host: twice"])
        sent(400, more=[f"Content-Length: {len(body)}"])
        sent(400, more=["Transfer-Encoding: chunked"])
        sent(413, length=16 * 1024 + 1, body=b"")
        sent(414, target=target + "?" + "x" * 4096)
        sent(417, more=["Expect: the-unexpected"])
        sent(431, more=["X-Long: " + "x" * 8192])
        sent(505, version="HTTP/2.0")


def without_administrator(walk, house):
    """No token is configured: there are no administrator's paths. Purging is allowed."""
    server = house.server(ALLOW_PURGE="true")
    for operation in walk.operations.values():
        if operation.is_administrators:
            walk.ask(server, operation.id, 404)
            walk.ask(server, operation.id, 404, token=TOKEN)
            walk.ask(server, operation.id, 404, target="?malformed=%")
    walk.other_paths(server, ["/admin/", "/admin/nothing", "/admin/audit?correlationId=x&correlationId=x"])
    walk.ask(server, "purgePayments", 200)
    server.stop()


def overloaded(walk, house):
    """A server that holds as many payments as it may, and one that has as many connections."""
    server = house.server(MAX_BACKLOG="1")
    walk.ask(server, "postPayment", 202, body=payment()[1])
    walk.ask(server, "postPayment", 503, body=payment()[1])
    server = house.server(MAX_CONNECTIONS="1", ADMIN_TOKEN=TOKEN)
    with server.connect():
        for operation in walk.operations.values():
            walk.ask(server, operation.id, 503, token=TOKEN)


def in_doubt(walk, house):
    """A processor dies with a payment in its hands, and does not come back."""
    process, url = house.processor_process("--delay", "60000")
    server = house.server(ADMIN_TOKEN=TOKEN, PROCESSOR_DEFAULT_URL=url)
    one, body = payment()
    walk.ask(server, "postPayment", 202, body=body)
    until(lambda: body_of(server, "/processors")["processors"][0]["inFlight"], "it is sent")
    house.kill(process)
    until(lambda: body_of(server, f"/payments/{one}")["status"] == "unknown", "it is in doubt")
    answer = walk.ask(server, "getPayment", 200, target=f"/payments/{one}")
    if not json.loads(answer.body).get("doubtReason"):
        walk.note(f"{answer.body}: does not say why")
    page = walk.ask(server, "listPayments", 200, target="?status=unknown")
    if [each["correlationId"] for each in json.loads(page.body)["payments"]] != [one]:
        walk.note(f"?status=unknown: {page.body}")
    resolve = {"target": f"/admin/payments/{one}/resolve", "token": TOKEN}
    walk.ask(server, "resolvePayment", 200, body=b'{"action":"ask"}', **resolve)
    for wrong in (b"{}", b'{"action":"declare"}', b'{"action":"declare","outcome":"rejected"}'):
        walk.ask(server, "resolvePayment", 422, body=wrong, **resolve)
    walk.ask(server, "resolvePayment", 415, headers={"Content-Type": "text/plain"}, **resolve)
    walk.ask(server, "resolvePayment", 400, body=b"{", **resolve)
    word = b'{"action":"declare","outcome":"processed","requestedAt":"2025-07-15T12:34:56.789Z","reason":"it is so"}'
    walk.ask(server, "resolvePayment", 202, body=word, **resolve)
    until(lambda: body_of(server, f"/payments/{one}")["status"] == "processed", "it is as declared")
    walk.ask(server, "resolvePayment", 409, body=word, **resolve)
    walk.ask(server, "resolvePayment", 404, target=f"/admin/payments/{UNKNOWN}/resolve", token=TOKEN)


def while_one_reconciles(walk, house):
    """A processor that does not answer holds a reconciliation up."""
    process, url = house.processor_process()
    server = house.server(
        ADMIN_TOKEN=TOKEN, PROCESSOR_DEFAULT_URL=url, PROCESSOR_DEFAULT_ADMIN_TOKEN="123", RECONCILE_EVERY="0s"
    )
    process.send_signal(signal.SIGSTOP)
    walk.ask(server, "reconcile", 202, token=TOKEN)
    walk.ask(server, "reconcile", 409, token=TOKEN)
    house.kill(process)


def take_alone(processor):
    """A processor has a payment that we know nothing of, long enough ago to be compared."""
    then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=50)
    body = json.loads(payment()[1]) | {"requestedAt": then.strftime("%Y-%m-%dT%H:%M:%S.000Z")}
    json_type = {"Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(f"{processor}/payments", json.dumps(body).encode(), json_type))


def what_is_explained(walk, server, runs):
    """The finding that take_alone() has made."""
    found = [each for run in json.loads(runs.body)["reconciliations"] for each in run["findings"]]
    if [each["state"] for each in found] != ["open"]:
        walk.note(f"{runs.body}: wanted one open finding")
        return
    finding = {"target": f"/admin/reconciliations/findings/{found[0]['id']}", "token": TOKEN}
    for nothing in ("999999", "0", "x"):
        walk.ask(server, "explainFinding", 404, target=f"/admin/reconciliations/findings/{nothing}", token=TOKEN)
    walk.ask(server, "explainFinding", 400, body=b"{", **finding)
    walk.ask(server, "explainFinding", 415, headers={"Content-Type": "text/plain"}, **finding)
    for wrong in (b"{}", b'{"reason":""}', b'{"reason":"%s"}' % (b"x" * 501)):
        walk.ask(server, "explainFinding", 422, body=wrong, **finding)
    walk.ask(server, "explainFinding", 200, **finding)
    walk.ask(server, "explainFinding", 409, **finding)


def with_stores(walk, house):
    """PostgreSQL and Redis are there; then PostgreSQL is away; then both are."""
    postgres, database_url = house.postgres()
    redis, redis_url = house.redis()
    processor = house.processor()
    take_alone(processor)
    server = house.server(
        ADMIN_TOKEN=TOKEN, DATABASE_URL=database_url, REDIS_URL=redis_url,
        PROCESSOR_DEFAULT_URL=processor, PROCESSOR_FALLBACK_URL=house.processor(),
        PROCESSOR_DEFAULT_ADMIN_TOKEN="123", RECONCILE_EVERY="0s",
    )  # fmt: skip
    until(lambda: server.ask("GET", "/readyz").status == 200, "it is ready")
    one = post_and_settle(walk, server)
    walk.ask(server, "postPayment", 409, body=payment("1", one)[1])
    walk.ask(server, "getAudit", 200, target=f"?correlationId={one}", token=TOKEN)
    cursors = ("cursor=7" + "f" * 47, "cursor=8" + "0" * 47)
    for extreme in (*cursors, "from=0000-01-01&to=9999-12-31T23:59:59.9"):
        walk.ask(server, "listPayments", 200, target=f"?{extreme}")
    walk.ask(server, "getSummary", 200, target="?from=0000-01-01&to=9999-12-31T23:59:59.999999999")
    walk.ask(server, "reconcile", 202, token=TOKEN)
    until(lambda: b"endedAt\":\"" in server.ask("GET", "/admin/reconciliations", KEY).body, "it has ended")
    runs = walk.ask(server, "listReconciliations", 200, token=TOKEN)
    walk.head(server, "listReconciliations", runs, token=TOKEN)
    what_is_explained(walk, server, runs)
    walk.ask(server, "getCacheStats", 200, token=TOKEN)
    walk.ask(server, "invalidateCachedPayment", 200, token=TOKEN, target=f"/admin/cache/invalidate/payments/{one}")
    walk.ask(server, "invalidateCachedPayment", 404, token=TOKEN, target="/admin/cache/invalidate/payments/x")
    walk.ask(server, "invalidateCache", 200, token=TOKEN)
    one = post_and_settle(walk, server)
    until(lambda: body_of(server, "/admin/cache/stats", KEY)["totals"]["copies"] > 0, "the sums are copied")
    until(lambda: body_of(server, "/admin/cache/stats", KEY)["cachedPayments"], "it is cached")

    house.kill(postgres)
    until(lambda: b"database: away" in server.ask("GET", "/readyz").body, "PostgreSQL is away")
    until(lambda: server.ask("GET", "/readyz").status == 200, "the intake is open")
    walk.ask(server, "getReadiness", 200)
    taken_in, body = payment()
    walk.ask(server, "postPayment", 202, body=body)
    walk.ask(server, "postPayment", 202, body=body)
    walk.ask(server, "postPayment", 409, body=payment("1", taken_in)[1])
    for known in (one, taken_in):
        answer = walk.ask(server, "getPayment", 200, target=f"/payments/{known}")
        walk.head(server, "getPayment", answer, target=f"/payments/{known}")
    walk.ask(server, "getPayment", 503, target=f"/payments/{UNKNOWN}")
    walk.ask(server, "getSummary", 200)
    walk.ask(server, "getSummary", 200, target="?from=2020-01-01T00:00:00.001Z&to=2999-01-01")
    for operation_id in ("listPayments", "purgePayments"):
        walk.ask(server, operation_id, 503, token=TOKEN)
    walk.ask(server, "getAudit", 503, target=f"?correlationId={one}", token=TOKEN)
    for operation_id in ("resolvePayment", "explainFinding"):
        walk.ask(server, operation_id, 503, token=TOKEN)

    house.kill(redis)
    until(lambda: server.ask("GET", "/readyz").status == 503, "no store is there")
    walk.ask(server, "getReadiness", 503)
    walk.ask(server, "postPayment", 503)
    walk.ask(server, "getPayment", 503, target=f"/payments/{one}")
    walk.ask(server, "getSummary", 503)
    walk.ask(server, "getCacheStats", 200, token=TOKEN)
    walk.ask(server, "invalidateCachedPayment", 503, token=TOKEN)
    walk.ask(server, "invalidateCache", 503, token=TOKEN)
    for operation_id in ("listProcessors", "getHealth"):
        walk.ask(server, operation_id, 200)


ALL = (in_memory, without_administrator, overloaded, in_doubt, while_one_reconciles, with_stores)
