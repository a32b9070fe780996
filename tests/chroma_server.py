"""A Chroma server on the loopback interface."""

import socket
import subprocess
import sys
import time
from pathlib import Path


class ChromaServer:
    """A server that can be killed and started again."""

    def __init__(self, folder):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._folder = folder
        self.start()

    def start(self):
        program = Path(sys.executable).parent / "chroma"
        self._process = subprocess.Popen(
            [str(program), "run", "--path", str(self._folder), "--host", "127.0.0.1", "--port", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert time.monotonic() < deadline, "the server did not start"
                time.sleep(0.1)

    def client(self):
        import chromadb

        return chromadb.HttpClient(host="127.0.0.1", port=self.port)

    def kill(self):
        self._process.kill()
        self._process.wait(timeout=30)
