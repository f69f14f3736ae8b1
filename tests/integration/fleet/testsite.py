# SPDX-License-Identifier: GPL-2.0-or-later
"""A lab with a controller and agents whose instances are made up: real daemons, real links."""

import glob
import io
import os
import re
import shutil
import sys
import tarfile
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path[:0] = [os.path.join(ROOT, "tools/lab"), os.path.join(ROOT, "tests/integration/lab")]

# pylint: disable=wrong-import-position
from berthlab import Lab  # noqa: E402
from berthlab.fleet import Fleet  # noqa: E402
from berthlab.stand import Stand  # noqa: E402

from api import Api  # noqa: E402

BUILD = os.environ.get("BERTH_BUILD") or os.path.join(ROOT, "build/release/bin")
REPORT = re.compile(r"(?:Address|Leak|Thread|Memory)Sanitizer[:: ]|runtime error: |Assertion .* failed")
PASSED_ON = ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "BERTH_TEST_RUN")


class Site:
    """letter: one a test program, so that programs side by side have different labs."""

    def __init__(self, letter, hosts=1, controller=None, agent=None):
        self.hosts = [f"h{n}" for n in range(1, hosts + 1)]
        self.tmp = tempfile.mkdtemp(prefix=f"berth-fleet-{letter}-")
        self.lab = Lab(f"bt{letter}{os.getpid() % 1000000}", f"{self.tmp}/var")
        self.fleet = Fleet(self.lab, build=BUILD)
        self.fleet.controller_extra = dict(controller or {})
        self.fleet.agent_extra = {"driver_fake": "yes", "capacity_cpus": 64, "capacity_memory": "1T",
                                  "capacity_disk": "100T", **(agent or {})}
        self.fleet.daemon_env = {k: os.environ[k] for k in PASSED_ON if k in os.environ}
        self.stand = Stand(self.fleet)
        self.api = None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.logs()
            self.end()
            raise
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.logs()
        self.stop()
        reports = self.reports()
        self.end()
        if reports and kind is None:
            raise AssertionError("a daemon's report:\n" + "\n".join(reports))

    def start(self):
        self.stand.lab_up(len(self.hosts))
        self.stand.controller()
        self.stand.basics()
        for host in self.hosts:
            self.stand.agent(host)
            self.stand.sale(host)
        self.api = self.client()
        if not self.api.items("images"):
            self.fleet.berth("image", "import", "tiny", self.image(), "--stop-signal", "SIGPWR")

    def client(self, token=None):
        if token is None:
            token = self.fleet.environment()["BERTH_TOKEN"]
        return Api(self.fleet.facts["api_port"], self.fleet.ca_file, token)

    def image(self):
        """A root file system that nobody will ever start."""
        path = f"{self.tmp}/tiny.tar"
        if not os.path.exists(path):
            with tarfile.open(path, "w") as tar:
                head = tarfile.TarInfo("sbin/init")
                head.size = 4
                tar.addfile(head, io.BytesIO(b"init"))
        return path

    def stop(self):
        for host in self.hosts:
            self.fleet.agent(host).stop()
        self.fleet.controller().stop()
        if self.api:
            self.api.close()

    def end(self):
        self.lab.down()
        shutil.rmtree(self.tmp, ignore_errors=True)

    def reports(self):
        found = []
        for path in glob.glob(f"{self.fleet.var}/log/*.log"):
            with open(path, encoding="utf-8", errors="replace") as f:
                text = f.read()
            if at := REPORT.search(text):
                found.append(f"{os.path.basename(path)}: {text[at.start():at.start() + 4000]}")
        return found

    def logs(self):
        """The ends of the daemons' logs, as TAP comments."""
        for path in sorted(glob.glob(f"{self.fleet.var}/log/*.log")):
            print(f"# {os.path.basename(path)}:")
            with open(path, encoding="utf-8", errors="replace") as f:
                for line in f.readlines()[-25:]:
                    print("#   " + line.rstrip()[:300])
        sys.stdout.flush()
