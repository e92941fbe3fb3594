"""The dashboard's pictures for the README: two servers, PostgreSQL and Redis under load, a processor that is killed and
comes back. Arguments: the build folder. Writes doc/dashboard-{light,dark,phone}.png."""

import os
import signal
import subprocess
import sys
import time

from chromium import Chromium, free_port
from dashboard_house import DashboardHouse

DOC = os.path.join(os.path.dirname(__file__), "../../doc")


def picture(browser, name, width, height, **look):
    browser.look(width, height, **look)
    time.sleep(1.5)  # until the charts have found their size and the next snapshot is there
    path = os.path.join(DOC, f"dashboard-{name}.png")
    browser.screenshot(path)
    subprocess.run(["pngquant", "--force", "--strip", "--speed", "1", "--quality", "60-95", "--output", path, path],
                   check=True)
    print(f"doc/dashboard-{name}.png, {os.path.getsize(path) / 1000:.0f} kB", flush=True)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with DashboardHouse(os.path.abspath(sys.argv[1]), stores=True) as house, Chromium(1320, 1270) as browser:
        ports = [free_port(), free_port()]
        servers = [house.start_server(port) for port in ports]
        for port in ports:
            house.start_load(port, 200)
        browser.open(f"http://127.0.0.1:{ports[0]}/")

        def until_it_says(headline, seconds):
            browser.wait(f"return document.getElementById('headline').textContent === '{headline}'", seconds)

        until_it_says("All well", 20)
        print("two minutes of load, with an incident", flush=True)
        house.configure("default", "delay", 20)
        time.sleep(15)
        house.start_load(ports[0], 150, 30)
        time.sleep(20)
        house.kill(servers[1])
        house.start_server(ports[1])
        time.sleep(30)
        house.kill(house.default)
        until_it_says("default is failing", 10)
        time.sleep(6)
        picture(browser, "dark", 1320, 1270, dark=True)
        picture(browser, "phone", 360, 780, mobile=True, scale=2)
        browser.look(1320, 1270)
        house.default = house.start_processor("default")
        house.configure("default", "delay", 20)
        until_it_says("All well", 120)
        time.sleep(10)
        picture(browser, "light", 1320, 1270)


if __name__ == "__main__":
    sys.exit(main())
