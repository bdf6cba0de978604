"""For tests: HTTP and WebSocket over the daemon's socket, byte by byte where a test wants that."""
import base64
import json
import os
import socket
import struct

SOCKET = os.path.join(os.environ["SYSCT_DIR"], "unix.socket")
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def connect(timeout=30):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout)
    connection.connect(SOCKET)
    return connection


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


def read_head(stream):
    status = int(stream.readline().split()[1])
    headers = {}
    while (line := stream.readline().strip()):
        name, _, value = line.partition(b":")
        headers[name.decode().lower()] = value.strip().decode()
    return status, headers


def request(method, path, body=None, headers=None, connection=None):
    connection = connection or connect()
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: sysct", "Connection: close", f"Content-Length: {len(data)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
    stream = connection.makefile("rb")
    status, headers = read_head(stream)
    content = stream.read() if "content-length" not in headers else stream.read(int(headers["content-length"]))
    return Response(status, headers, content)


class WebSocket:
    def __init__(self, path):
        self.connection = connect()
        key = base64.b64encode(os.urandom(16)).decode()
        self.connection.sendall((f"GET {path} HTTP/1.1\r\nHost: sysct\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                 f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
        self.stream = self.connection.makefile("rb")
        status, headers = read_head(self.stream)
        if status != 101:
            why = self.stream.read(int(headers.get("content-length", 0))).decode()
            raise OSError(f"no WebSocket at {path}: {why}: {status}")

    def send(self, opcode, data):
        length = len(data)
        head = bytes([0x80 | opcode])
        if length < 126:
            head += bytes([0x80 | length])
        elif length < 65536:
            head += bytes([0x80 | 126]) + struct.pack(">H", length)
        else:
            head += bytes([0x80 | 127]) + struct.pack(">Q", length)
        mask = os.urandom(4)
        wide = (mask * (length // 4 + 1))[:length]
        masked = (int.from_bytes(data, "big") ^ int.from_bytes(wide, "big")).to_bytes(length, "big")
        self.connection.sendall(head + mask + masked)

    def receive(self):
        """The next frame that is no ping: (opcode, bytes); (CLOSE, b"") at the end."""
        while True:
            head = self.stream.read(2)
            if len(head) < 2:
                return CLOSE, b""
            length = head[1] & 127
            if length >= 126:
                size = 2 if length == 126 else 8
                length = int.from_bytes(self.stream.read(size), "big")
            data = self.stream.read(length)
            if head[0] & 15 == PING:
                self.send(PONG, data)
            else:
                return head[0] & 15, data

    def close(self):
        self.stream.close()
        self.connection.close()


def wait(operation):
    """The finished operation of a 202 answer."""
    return request("GET", operation.json["operation"] + "/wait").json["metadata"]
