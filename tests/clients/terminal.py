"""The terminal of `lxc exec -t` and `lxc console`, driven through a pty; run by lxc-terminal.t."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import tap

LIMIT = 20


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, *command, columns=80, rows=24, term="xterm-256color"):
        self.text = ""
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.environ["TERM"] = term
            os.execvp(command[0], command)

    def read(self, until=None):
        """Reads to the end, or until the pattern is seen; returns the match, or None when the time is over."""
        end = time.monotonic() + LIMIT
        while True:
            match = until and re.search(until, self.text)
            if match:
                self.text = self.text[match.end():]
                return match
            if not select.select([self.master], [], [], max(0, end - time.monotonic()))[0]:
                return None
            try:
                data = os.read(self.master, 65536)
            except OSError:  # EIO: all have closed it
                data = b""
            if not data:
                return None
            self.text += data.decode(errors="replace")

    def write(self, text):
        os.write(self.master, text.encode())

    def resize(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def detach(self):
        """Ctrl-a, then q; the client knows them only as two reads."""

        def read_by_client():
            with open("/proc/%d/io" % self.pid) as counters:
                return int(counters.readline().split()[1])

        before = read_by_client()
        self.write("\x01")
        tap.wait_until(LIMIT, lambda: read_by_client() > before)
        self.write("q")

    def end(self):
        """Exit status like a shell's; the command is killed when it does not end."""
        self.read()
        ended = [0, 0]

        def gone():
            ended[:] = os.waitpid(self.pid, os.WNOHANG)
            return ended[0] != 0

        if not tap.wait_until(LIMIT, gone):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            return "no end"
        os.close(self.master)
        return os.waitstatus_to_exitcode(ended[1])


def lxc(*words):
    return subprocess.run(("lxc",) + words, capture_output=True, text=True, timeout=60)


def shell(*options, **terminal):
    opened = Terminal("lxc", "exec", "box", *options, "--", "sh", **terminal)
    tap.ok(opened.read(until="# "), "a shell prompts", opened.text)
    return opened


def exec_basics():
    box = shell(columns=97, rows=31)
    box.write("tty; stty size; echo $TERM\n")
    tap.ok(box.read(until=r"/dev/pts/\d+\r\n"), "its terminal is in the instance's devpts", box.text)
    tap.ok(box.read(until=r"31 97\r\n"), "it has the client's window size", box.text)
    tap.ok(box.read(until=r"xterm-256color\r\n"), "and the client's TERM", box.text)
    box.write("echo $((40 + 2))\n")
    tap.ok(box.read(until=r"\r\n42\r\n"), "lines end with CR LF on a terminal", box.text)
    box.write("echo err$((1 + 1)) >&2\n")
    tap.ok(box.read(until=r"err2\r\n"), "stderr is on the terminal too", box.text)
    box.resize(132, 43)
    # The new size travels beside the data: ask until it is there.
    seen = tap.wait_until(LIMIT, lambda: (box.write("stty size\n"), box.read(until=r"\d+ \d+\r\n").group(0))[1] == "43 132\r\n")
    tap.ok(seen, "a resize arrives", box.text)
    box.write("exit 23\n")
    tap.eq(box.end(), 23, "the exit code comes back")


def exec_resize_signal():
    box = Terminal("lxc", "exec", "box", "--", "sh", "-c",
                   "trap 'stty size' WINCH; echo ready; while :; do sleep 0.1; done", columns=80, rows=24)
    box.read(until="ready")
    box.resize(101, 37)
    tap.ok(box.read(until=r"37 101\r\n"), "a resize raises SIGWINCH", box.text)
    box.write("\x03")
    tap.eq(box.end(), 130, "Ctrl-C ends a shell loop with 128 + SIGINT")


def exec_keys():
    box = shell()
    # Not before the line editor has let go of the terminal.
    box.write("sh -c 'echo begun; exec sleep 1000'\n")
    box.read(until=r"begun\r\n")
    box.write("\x03")
    tap.ok(box.read(until="# "), "Ctrl-C ends the foreground command only", box.text)
    box.write("echo code $?\n")
    tap.ok(box.read(until=r"code 130\r\n"), "by SIGINT", box.text)
    box.write("sh -c 'echo begun; exec cat'\n")
    box.read(until=r"begun\r\n")
    box.write("word\n")
    tap.ok(box.read(until=r"word\r\nword\r\n"), "the terminal echoes what cat then repeats", box.text)
    box.write("\x04")
    tap.ok(box.read(until="# "), "Ctrl-D is the end of cat's input", box.text)
    box.write("printf '\\033[31mred\\033[0m\\n'\n")
    tap.ok(box.read(until="\x1b\\[31mred\x1b\\[0m\r\n"), "escape sequences pass", box.text)
    box.write("printf 'gr\\303\\274n\\n'\n")
    tap.ok(box.read(until="grün\r\n"), "UTF-8 passes", box.text)
    box.read(until="# ")
    box.write("\x04")
    tap.eq(box.end(), 0, "Ctrl-D ends the shell")


def exec_much():
    box = Terminal("lxc", "exec", "box", "--", "sh", "-c", "seq 1 200000; exit 5")
    code = box.end()
    lines = box.text.split("\r\n")
    tap.eq((code, len(lines), lines[-2]), (5, 200001, "200000"), "the last of much output is there before the end")


def exec_modes():
    box = Terminal("lxc", "exec", "box", "-T", "--", "sh", "-c", "test -t 0 || test -t 1 || echo none; exit 3")
    tap.ok(box.read(until="none"), "-T on a terminal gives the command none", box.text)
    tap.eq(box.end(), 3, "and its exit code")
    done = subprocess.run(("lxc", "exec", "-t", "box", "--", "tty"), stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=60)
    tap.like(done.stdout.decode(), r"^/dev/pts/\d+\r\n$", "-t without a terminal gives the command one")
    box = Terminal("lxc", "exec", "box", "--", "no-such-command")
    tap.eq(box.end(), 127, "127 on a terminal")
    box = Terminal("lxc", "exec", "box", "--", "sh", "-c", "kill -KILL $$")
    tap.eq(box.end(), 137, "128 + 9 on a terminal")


def exec_hangup():
    box = Terminal("lxc", "exec", "box", "--", "sh", "-c", "echo ready; exec sleep 8643")
    box.read(until="ready")

    def sleeps():
        return "sleep 8643" in lxc("exec", "box", "--", "ps", "-o", "args").stdout

    tap.ok(sleeps(), "a command runs on a terminal")
    os.kill(box.pid, signal.SIGKILL)
    os.waitpid(box.pid, 0)
    os.close(box.master)
    tap.ok(tap.wait_until(LIMIT, lambda: not sleeps()), "it ends when the client is killed")


def console():
    log = lxc("console", "box", "--show-log")
    tap.eq(log.returncode, 0, "console --show-log")
    tap.like(log.stdout, "login:", "has what getty wrote")
    box = Terminal("lxc", "console", "box", columns=90, rows=33)
    tap.ok(box.read(until=r"press: <ctrl>\+a q"), "console tells how to detach", box.text)
    box.write("\n")
    tap.ok(box.read(until="login: "), "getty asks on the console", box.text)
    box.write("nobody-here\n")
    tap.ok(box.read(until="nobody-here"), "and echoes what is typed", box.text)
    box.detach()
    tap.eq(box.end(), 0, "Ctrl-a q detaches")
    tap.eq(lxc("list", "--format", "csv", "-c", "s").stdout, "RUNNING\n", "the instance goes on")
    box = Terminal("lxc", "console", "box")
    box.read(until=r"press: <ctrl>\+a q")
    box.write("\n")
    tap.ok(box.read(until=r"(login|assword): "), "a second attach", box.text)
    stopped = subprocess.Popen(("lxc", "stop", "--force", "box"))
    tap.eq(box.end(), 0, "the console ends with the instance")
    tap.eq(stopped.wait(LIMIT), 0, "which stops")
    box = Terminal("lxc", "console", "box")
    tap.eq(box.end(), 1, "no console of a stopped one")
    tap.like(box.text, r"Error: The instance is not running\r\n$", "and the reason")


def start_console():
    box = Terminal("lxc", "start", "box", "--console")
    tap.ok(box.read(until="login: "), "start --console shows the boot", box.text)
    box.detach()
    tap.eq(box.end(), 0, "and can be detached")


for test in (exec_basics, exec_resize_signal, exec_keys, exec_much, exec_modes, exec_hangup, console, start_console):
    test()
sys.exit(tap.done())
