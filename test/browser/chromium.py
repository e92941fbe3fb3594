"""A headless Chromium, driven by WebDriver (W3C) and, for what that lacks, DevTools commands. Debian's packages
chromium and chromium-driver; `is_there()` tells. One window; used as a context, it ends with it."""

import base64
import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the specification's name of a reference to an element


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_there():
    return bool(shutil.which("chromedriver") and shutil.which("chromium"))


class Chromium:
    def __init__(self, width=1320, height=1000):
        self.folder = tempfile.TemporaryDirectory(prefix="repasse-chromium-")
        self.at = f"http://127.0.0.1:{(port := free_port())}"
        nowhere = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.driver = subprocess.Popen(["chromedriver", f"--port={port}"], **nowhere)
        try:
            arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                         f"--user-data-dir={self.folder.name}", f"--window-size={width},{height}"]
            wanted = {"browserName": "chrome", "goog:loggingPrefs": {"browser": "ALL"},
                      "goog:chromeOptions": {"binary": shutil.which("chromium"), "args": arguments}}
            self.session = "/session"
            self.session += "/" + self._begin({"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        except BaseException:
            self._end_driver()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.call("DELETE", "")
        except OSError:
            pass  # the driver ends what is left
        self._end_driver()

    def _end_driver(self):
        self.driver.terminate()
        self.driver.wait()
        self.folder.cleanup()

    def _begin(self, capabilities):
        for _ in range(100):  # until the driver listens
            try:
                return self.call("POST", "", capabilities)
            except ConnectionError:
                time.sleep(0.05)
            except urllib.error.URLError as error:
                if not isinstance(error.reason, ConnectionError):
                    raise
                time.sleep(0.05)
        raise RuntimeError("chromedriver does not listen")

    def call(self, method, path, body=None):
        data = json.dumps(body if body is not None else {}).encode() if method == "POST" else None
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.at + self.session + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)["value"]["message"]) from None

    def open(self, url):
        self.call("POST", "/url", {"url": url})

    def run(self, script, *arguments):
        """The value of `return …` in the page; elements come and go as references."""
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def devtools(self, command, **parameters):
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def wait(self, script, seconds=10, what=None):
        """Seconds until `script` returns something true, which the page itself looks for at each frame."""
        code = """const [code, limit, done] = arguments, begun = performance.now();
            const test = new Function(code);
            (function look() {
              if (test()) done((performance.now() - begun) / 1e3);
              else if (performance.now() - begun > limit) done(null);
              else setTimeout(look, 15);
            })();"""
        self.call("POST", "/timeouts", {"script": int(seconds * 1000) + 5000})
        took = self.call("POST", "/execute/async", {"script": code, "args": [script, seconds * 1000]})
        if took is None:
            raise AssertionError(f"not within {seconds} s: {what or script}")
        return took

    def type(self, element_id, keys):
        element = self.run("return document.getElementById(arguments[0])", element_id)
        self.call("POST", f"/element/{element[ELEMENT]}/value", {"text": keys})

    def click(self, element_id):
        element = self.run("return document.getElementById(arguments[0])", element_id)
        self.call("POST", f"/element/{element[ELEMENT]}/click")

    def press(self, key):
        """A key, wherever the focus is."""
        actions = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def console(self):
        """What has come to the console since the last call, violations of the page's policy included."""
        return self.call("POST", "/se/log", {"type": "browser"})

    def look(self, width, height, dark=False, mobile=False, calm=False, scale=1):
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
                    {"name": "prefers-reduced-motion", "value": "reduce" if calm else "no-preference"}]
        self.devtools("Emulation.setEmulatedMedia", features=features)
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale,
                      mobile=mobile)

    def screenshot(self, path, whole=False):
        shot = self.devtools("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        with open(path, "wb") as file:
            file.write(base64.b64decode(shot["data"]))
