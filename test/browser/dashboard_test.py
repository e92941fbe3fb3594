"""The dashboard and the page of the API in a real browser, with the real server, processors, PostgreSQL and Redis.
Arguments: the build folder, and what unittest takes (a class, or class.case). Ends with 77 where a browser or a store
cannot run."""

import os
import signal
import sys
import unittest

from api_test import Api
from chromium import is_there
from cut_off_test import CutOff
from dashboard_house import POSTGRES
from looks_test import Connection, Everybody
from one_page import OnePage
from values_test import TwoServers, Values
from words_test import Search, Words

__all__ = ["Api", "Connection", "CutOff", "Everybody", "Search", "TwoServers", "Values", "Words"]


def main():
    OnePage.build = os.path.abspath(sys.argv.pop(1))
    if not is_there() or not (POSTGRES / "postgres").exists():
        print("SKIPPED: the dashboard and the page of the API in a browser, their values, words and looks;")
        print("it needs Debian's chromium, chromium-driver, postgresql-15 and redis-server")
        return 77
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    unittest.main(verbosity=2)


if __name__ == "__main__":
    sys.exit(main())
