"""A headless Chromium that does what it is told: a JSON command a line on stdin, a JSON answer a line on stdout.

Commands: {"do": "open", "url"} · {"do": "script", "code"} · {"do": "until", "code"} (waits) · {"do": "keys", "keys": [...]} ·
{"do": "size", "width", "height"} · {"do": "dark", "is"} · {"do": "shot", "path"} · {"do": "log"} (what the page asked for, and what its console says).
"""

import base64
import json
import sys
import tempfile

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --disable-default-apps --disable-dev-shm-usage --force-device-scale-factor=1 --hide-scrollbars""".split()


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
        driver.set_script_timeout(12)

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

    def shot(self, path):
        taken = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
        with open(path, "wb") as file:
            file.write(base64.b64decode(taken["data"]))

    def log(self):
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            # The browser's own new tab is none of the page's.
            if message["method"] == "Network.requestWillBeSent" and message["params"]["documentURL"].startswith("http"):
                self.asked.append(message["params"]["request"]["url"])
        console = [entry["message"] for entry in self.driver.get_log("browser")]
        return {"asked": self.asked, "console": console}


def main():
    chromium, driver_path = sys.argv[1:]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        driver = start(chromium, driver_path, profile)
        try:
            browser = Browser(driver)
            print(json.dumps({"ready": driver.capabilities["browserVersion"]}), flush=True)
            for line in sys.stdin:
                command = json.loads(line)
                try:
                    answer = {"value": getattr(browser, command.pop("do"))(**command)}
                except Exception as error:
                    answer = {"error": f"{type(error).__name__}: {error}".strip()}
                print(json.dumps(answer, default=str), flush=True)
        finally:
            driver.quit()


main()
