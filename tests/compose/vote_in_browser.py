"""Votes with a browser and sees the result change: vote_in_browser.py VOTE_URL RESULT_URL [DIRECTORY]

The result's page stays open the whole time and is never loaded again. With DIRECTORY, pictures of both pages are left there,
wide and narrow, light and dark.
"""

import sys
import tempfile

from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

PATIENCE = 120  # seconds
vote_url, result_url = sys.argv[1:3]
pictures = sys.argv[3] if len(sys.argv) > 3 else None


def start(profile):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in (
        "headless=new",
        "no-sandbox",  # it does not start as root with one
        "disable-gpu",
        "disable-dev-shm-usage",
        "no-proxy-server",
        "window-size=1100,800",
        f"user-data-dir={profile}",
    ):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)


class Pages:
    """The two pages, each in a tab of its own."""

    def __init__(self, browser):
        self.browser = browser
        browser.get(result_url)
        self.result = browser.current_window_handle
        browser.switch_to.new_window("tab")
        browser.get(vote_url)
        self.vote = browser.current_window_handle

    def wait(self, what, condition):
        # What was just found may belong to the page that is being left.
        leaving = (NoSuchElementException, StaleElementReferenceException)
        WebDriverWait(self.browser, PATIENCE, 0.1, leaving).until(lambda _: condition(), f"in vain: {what}")

    def find(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def choice(self, name):
        buttons = self.browser.find_elements(By.CSS_SELECTOR, "button")
        (found,) = [button for button in buttons if button.accessible_name == name]
        return found

    def votes_for(self, name):
        """Presses the button of that name; returns when the page says that the vote was taken."""
        self.browser.switch_to.window(self.vote)
        self.choice(name).click()
        self.wait(f"a vote for {name}", lambda: f"You voted for {name}" in self.find("[role=status]").text)
        assert self.choice(name).get_attribute("aria-pressed") == "true"

    def counts(self):
        """What the open page of the result shows: {"a": ..., "b": ...}."""
        self.browser.switch_to.window(self.result)
        return {
            key: int(self.find(f'[data-option="{key}"] .votes').text.split()[0].replace(",", "")) for key in ("a", "b")
        }

    def sees(self, expected):
        self.wait(f"{expected}, but {self.counts()}", lambda: self.counts() == expected)

    def fits(self, width, height):
        """Neither page is wider than a window of that width."""
        for handle, name in ((self.vote, "vote"), (self.result, "result")):
            self.browser.switch_to.window(handle)
            size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
            self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            widest = self.browser.execute_script("return document.documentElement.scrollWidth")
            assert widest <= width, f"the page {name} is {widest} pixels wide in a window of {width}"
            for scheme in ("light", "dark") if pictures else ():
                media = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
                features = [{"name": key, "value": value} for key, value in media.items()]
                self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
                self.browser.save_screenshot(f"{pictures}/{name}-{width}-{scheme}.png")

    def quiet(self):
        """Neither page has anything to complain of (scripts, the content security policy, files that are not there)."""
        for handle in (self.vote, self.result):
            self.browser.switch_to.window(handle)
            complaints = [entry for entry in self.browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
            assert not complaints, complaints


with tempfile.TemporaryDirectory() as profile:
    browser = start(profile)
    try:
        pages = Pages(browser)
        browser.switch_to.window(pages.result)
        pages.wait("the stream of counts", lambda: pages.find("#state").text == "live")
        names = [element.text for element in browser.find_elements(By.CSS_SELECTOR, "dt")]
        before = pages.counts()

        pages.votes_for(names[0])
        pages.sees({"a": before["a"] + 1, "b": before["b"]})
        pages.votes_for(names[1])
        pages.sees({"a": before["a"], "b": before["b"] + 1})
        browser.switch_to.window(pages.vote)
        browser.refresh()
        assert pages.choice(names[1]).get_attribute("aria-pressed") == "true", "the choice is forgotten"

        pages.fits(1100, 800)
        pages.fits(340, 700)
        pages.quiet()
        print(f"voted for {names[0]}, then for {names[1]}: {pages.counts()}")
    finally:
        browser.quit()
