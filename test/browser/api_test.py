"""The page of the API in a real browser: it shows all that the document says, to everybody."""

import json
import unittest
import urllib.request

import page_checks
from chromium import Chromium, free_port
from dashboard_house import DashboardHouse
from one_page import ENTER, TAB, OnePage

SHOWN = "return document.getElementById('any-request') !== null"
SECTION = "const e = document.getElementById(arguments[0]); return e && e.textContent"


class Api(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.house = cls.enterClassContext(DashboardHouse(OnePage.build))
        port = free_port()
        cls.house.start_server(port)
        cls.url = f"http://127.0.0.1:{port}"
        with urllib.request.urlopen(f"{cls.url}/openapi.json") as answer:
            cls.document = json.load(answer)
        cls.browser = cls.enterClassContext(Chromium())

    def setUp(self):
        self.look(1320, 1000)

    def tearDown(self):
        self.assertEqual([line["message"] for line in self.browser.console()], [])

    def look(self, width, height, place="", **how):
        self.browser.look(width, height, **how)
        self.browser.open("about:blank")
        self.browser.open(f"{self.url}/dashboard/api.html{place}")
        self.browser.wait(SHOWN, what="the document is shown")

    def test_every_operation_stands_there_with_its_parameters_statuses_and_headers(self):
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                if method == "parameters":
                    continue
                text = self.browser.run(SECTION, operation["operationId"])
                self.assertIsNotNone(text, operation["operationId"])
                named = [method.upper(), path, operation["summary"], *operation["responses"]]
                for response in operation["responses"].values():
                    named += response.get("headers", {})
                for parameter in item.get("parameters", []) + operation.get("parameters", []):
                    named.append(parameter.get("name") or parameter["$ref"].split("/")[-1])
                for each in named:
                    self.assertIn(each, text, operation["operationId"])
        self.assertNotIn("undefined", self.browser.run("return document.body.textContent"))

    def test_amounts_keep_their_two_digits(self):
        self.assertIn('"amount": 19.90', self.browser.run(SECTION, "postPayment"))

    def test_an_address_leads_to_its_operation(self):
        self.look(1320, 1000, "#getSummary")
        top = self.browser.run("return document.getElementById('getSummary').getBoundingClientRect().top")
        self.assertTrue(-1 <= top < 200, top)

    def test_everybody_can_read_it(self):
        for dark in (False, True):
            for width, height in ((1320, 1000), (390, 844)):
                with self.subTest(dark=dark, width=width):
                    self.look(width, height, dark=dark, mobile=width < 500)
                    self.browser.run("for (const e of document.querySelectorAll('details')) e.open = true")
                    for check in (page_checks.ACCESSIBLE, page_checks.TOO_WIDE, page_checks.CUT_OFF):
                        self.assertEqual(self.browser.run(check), [])

    def test_the_first_key_skips_the_contents(self):
        self.browser.press(TAB)
        focused = self.browser.run(page_checks.FOCUSED)
        self.assertEqual(focused, {"is": "#operations", "ring": True})
        self.browser.press(ENTER)
        self.assertEqual(self.browser.run("return document.activeElement.id"), "operations")

    def test_a_document_that_does_not_come_is_said(self):
        self.browser.devtools("Network.enable")
        self.browser.devtools("Network.setBlockedURLs", urls=["*/openapi.json"])
        self.browser.open("about:blank")
        self.browser.open(f"{self.url}/dashboard/api.html")
        self.browser.wait("return /cannot be shown/.test(document.getElementById('trouble').textContent)", 5)
        self.browser.devtools("Network.setBlockedURLs", urls=[])
        self.browser.console()
