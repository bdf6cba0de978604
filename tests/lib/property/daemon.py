"""A daemon that is started, killed and asked; everything by its socket, as no process per step would be quick enough."""
import json
import os
import select
import signal
import subprocess
import time

import sysct_client

DIRECTORY = os.environ["SYSCT_DIR"]
PATIENCE = 60


class Failure(Exception):
    """The product or the model is wrong."""


class Refused(Failure):
    """The daemon has answered with an error."""


class Cut(Exception):
    """The daemon has ended meanwhile."""


class Daemon:
    def __init__(self):
        self.process = None

    def start(self, fault=None):
        environment = dict(os.environ, SYSCT_FAULT=fault) if fault else os.environ
        with open(f"{DIRECTORY}/sysctd.log", "ab") as log:
            self.process = subprocess.Popen(["sysctd"], stdout=log, stderr=log, env=environment)
        end = time.monotonic() + PATIENCE
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                raise Failure("sysctd does not start")
            time.sleep(0.005)

    def answers(self):
        try:
            return sysct_client.request("GET", "/1.0").status == 200
        except OSError:
            return False

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.wait()

    def wait(self):
        self.process.wait(PATIENCE)

    def gone(self):
        """Also when it is about to be."""
        try:
            self.process.wait(5)
            return True
        except subprocess.TimeoutExpired:
            return False

    def call(self, method, path, body=None):
        """What it answers, or what the operation ends with."""
        try:
            response = sysct_client.request(method, path, body)
            if response.status == 202:
                result = sysct_client.wait(response)
                if result["status_code"] != 200:
                    raise Refused(f"{method} {path} {json.dumps(body)}: {result['err']}")
                return result
        except (OSError, ValueError, IndexError, KeyError, TypeError) as error:
            if self.gone():
                raise Cut from error
            raise
        if response.status not in (200, 201):
            raise Refused(f"{method} {path} {json.dumps(body)}: {response.body.decode()}")
        return response.json["metadata"]

    def call_and_kill(self, method, path, body, delay):
        """It is killed so many seconds after it has been asked."""
        connection = sysct_client.connect()
        data = json.dumps(body).encode()
        connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: sysct\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
        select.select([], [], [], delay)
        self.stop(signal.SIGKILL)
        connection.close()
