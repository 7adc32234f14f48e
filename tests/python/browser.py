"""A headless Chromium that does what it is told: a JSON command a line on stdin, a JSON answer a line on stdout.

Commands: {"do": "open", "url"} · {"do": "script", "code"} · {"do": "until", "code"} (waits) · {"do": "keys", "keys": [...]} ·
{"do": "size", "width", "height"} · {"do": "dark", "is"} · {"do": "zone", "name"} · {"do": "shot", "path"} · {"do": "log"} (what the page asked for, and what its console says).
Nothing waits for longer than `ANSWER` seconds; what fails tells what the page looked like.
"""

import base64
import json
import os
import signal
import subprocess
import sys
import tempfile

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --disable-default-apps --disable-dev-shm-usage --force-device-scale-factor=1 --hide-scrollbars""".split()


# A condition of the page may take so many seconds, and any answer of the browser so many.
CONDITION = 25
ANSWER = 40


class Stuck(Exception):
    """No answer. None of the errors that urllib3 takes for its own."""


def too_long(_signal, _frame):
    raise Stuck(f"the browser did not answer for {ANSWER} s")


def start(chromium, driver, profile):
    options = Options()
    options.binary_location = chromium
    for flag in FLAGS:
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={profile}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service(driver))


class Browser:
    def __init__(self, driver):
        self.driver = driver
        self.asked = []
        self.stuck = False
        driver.set_script_timeout(CONDITION)
        driver.set_page_load_timeout(CONDITION)

    def open(self, url):
        self.driver.get(url)

    def script(self, code):
        return self.driver.execute_script(f"return ({code})")

    def until(self, code):
        """Waits in the page itself until the expression is true, and answers its value."""
        return self.driver.execute_async_script("""
            const [done] = arguments;
            const look = () => {
                const value = (%s);
                if (value) done(value); else setTimeout(look, 30);
            };
            look();""" % code)

    def keys(self, keys):
        chain = ActionChains(self.driver)
        for key in keys:
            chain.send_keys(getattr(Keys, key, key))
        chain.perform()

    def size(self, width, height):
        # Of the page itself: a window cannot be made as narrow as a phone.
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def dark(self, **asked):
        features = [{"name": "prefers-color-scheme", "value": "dark" if asked["is"] else "light"},
                    {"name": "prefers-reduced-motion", "value": "reduce"}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def zone(self, name):
        self.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": name})

    def shot(self, path):
        taken = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
        with open(path, "wb") as file:
            file.write(base64.b64decode(taken["data"]))

    def looks(self):
        """What the page looks like, for whoever has to find out what is wrong with it."""
        signal.alarm(5)
        try:
            return self.driver.execute_script("return `${location.href}\\n${document.body?.innerText}`")[:6000]
        except Exception as error:
            self.stuck = True
            return f"it does not answer, so its own scripts must be busy ({type(error).__name__})"
        finally:
            signal.alarm(0)

    def end(self):
        """Closes the browser; one that does not answer is not asked."""
        if not self.stuck:
            return self.driver.quit()
        for process in descendants(self.driver.service.process.pid):
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def log(self):
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            # The browser's own new tab is none of the page's.
            if message["method"] == "Network.requestWillBeSent" and message["params"]["documentURL"].startswith("http"):
                self.asked.append(message["params"]["request"]["url"])
        console = [entry["message"] for entry in self.driver.get_log("browser")]
        return {"asked": self.asked, "console": console}


def descendants(root):
    """A process and all that it started, the youngest first."""
    table = [line.split() for line in subprocess.check_output(["ps", "-eo", "pid=,ppid="], text=True).splitlines()]
    found = [root]
    for parent in found:
        found += [int(process) for process, of in table if int(of) == parent]
    return reversed(found)


def main():
    chromium, driver_path = sys.argv[1:]
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(ANSWER)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(start(chromium, driver_path, profile))
        signal.alarm(0)
        try:
            print(json.dumps({"ready": browser.driver.capabilities["browserVersion"]}), flush=True)
            for line in sys.stdin:
                command = json.loads(line)
                signal.alarm(ANSWER)
                try:
                    answer = {"value": getattr(browser, command.pop("do"))(**command)}
                except Exception as error:
                    said = str(error).split("Stacktrace:")[0].strip()
                    answer = {"error": f"{type(error).__name__}: {said}\nThe page: {browser.looks()}"}
                signal.alarm(0)
                print(json.dumps(answer, default=str), flush=True)
        finally:
            browser.end()


main()
