#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Goal: on a terminal torc-top draws in place within the terminal's size, and
# gives it back as it was however it is left: q, a signal, a stop, the end.
# Method: a pseudo-terminal, held by python, and a process with a page of its
# own making.

# shellcheck source=tests/proxy/lib.sh
. "$(dirname "$0")/../proxy/lib.sh"
need_programs python3

start_bg good "$B/tests/top/page_prog" good
good=$pid
wait_until 20 has_line "$tmp/good.out" ready
start_bg other "$B/tests/top/page_prog" good
wait_until 20 has_line "$tmp/other.out" ready
TERM=xterm timeout 120 python3 - "$B/torc-top" "$good" "$pid" <<'EOT' ||
import fcntl, os, pty, select, signal, struct, sys, termios, time

top, pid, other = sys.argv[1:]
ENTER, LEAVE = b"\033[?1049h\033[?25l", b"\033[?25h\033[?1049l"
PATIENCE_S = 20

class Screen:
    """torc-top on a terminal of its own."""

    def __init__(self, *args, rows=24, columns=100, term="xterm"):
        self.far, near = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(near)
        self.text = b""
        self.child = os.fork()
        if self.child == 0:
            os.setsid()
            fcntl.ioctl(near, termios.TIOCSCTTY, 0)
            for fd in range(3):
                os.dup2(near, fd)
            os.environ["TERM"] = term
            os.execv(top, [top, "-d", "0.1", *args])
        self.near = near

    def resize(self, rows, columns):
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self.far, termios.TIOCSWINSZ, size)

    def until(self, what):
        """All that came up to `what`, which comes in time."""
        end = time.monotonic() + PATIENCE_S
        while what not in self.text:
            assert time.monotonic() < end, (what, self.text[-2000:])
            if select.select([self.far], [], [], 0.1)[0]:
                self.text += os.read(self.far, 65536)
        found, self.text = self.text.split(what, 1)
        return found + what

    def frame(self):
        """What is drawn next, as lines."""
        self.until(b"\033[J")
        drawn = self.until(b"\033[J")
        assert drawn.count(b"\033[H") == 1, drawn
        return drawn.split(b"\033[H")[1].split(b"\r\n")

    def rows(self):
        """The same without the codes that clear what was there."""
        return [line.replace(b"\033[K", b"").replace(b"\033[J", b"")
            for line in self.frame()]

    def key(self, key):
        os.write(self.far, key)

    def is_raw(self):
        return not termios.tcgetattr(self.near)[3] & termios.ICANON

    def is_as_before(self):
        return termios.tcgetattr(self.near) == self.before

    def wait(self, options=0):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            child, status = os.waitpid(self.child, os.WNOHANG | options)
            if child != 0:
                return status
            if select.select([self.far], [], [], 0.01)[0]:
                self.text += os.read(self.far, 65536)
        raise AssertionError("it neither ends nor stops")

    def left(self):
        """It has ended well, and given the terminal back."""
        status = self.wait()
        assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0, status
        assert self.is_as_before()
        self.until(LEAVE)
        os.close(self.near)
        os.close(self.far)

screen = Screen(pid)
screen.until(ENTER)
lines = screen.frame()
assert screen.is_raw()
assert any(b"fake, pid " + pid.encode() in line for line in lines), lines
screen.key(b"x")
screen.frame()
screen.key(b"q")
screen.left()
print("ok - it draws in place, and q leaves")

screen = Screen(pid)
screen.until(ENTER)
screen.resize(5, 20)
while True:
    lines = screen.frame()
    if len(lines) == 5:
        break
assert all(len(line) < 20 for line in screen.rows()), lines
assert lines[-1].startswith(b"\033[K... and more"), lines
print("ok - no line is too long and none too many on 5 rows of 20 columns")

screen.key(b"\032")
status = screen.wait(os.WUNTRACED)
assert os.WIFSTOPPED(status), status
assert screen.is_as_before()
screen.until(LEAVE)
os.kill(screen.child, signal.SIGCONT)
screen.until(ENTER)
screen.frame()
assert screen.is_raw()
print("ok - Ctrl-Z gives the terminal back, and SIGCONT takes it again")

os.kill(screen.child, signal.SIGTERM)
screen.left()
for end in "INT", "HUP", "QUIT":
    screen = Screen(pid)
    screen.until(ENTER)
    screen.frame()
    os.kill(screen.child, getattr(signal, "SIG" + end))
    screen.left()
print("ok - after SIGTERM, SIGINT, SIGHUP and SIGQUIT it is as before")

screen = Screen("-n", "3", pid)
screen.until(ENTER)
screen.left()
screen = Screen("-n", "2", pid)
screen.until(LEAVE)
screen.until(b"torc-top ")
title = screen.until(b"\n")
assert b"leaves" not in title, title
screen.until(b"fake, pid " + pid.encode())
screen.until(b"  all ")
assert os.WEXITSTATUS(screen.wait()) == 0
print("ok - and after the last sample, which it leaves behind")

screen = Screen(pid, columns=80)
screen.until(ENTER)
rows = screen.rows()
head = [row for row in rows if row.startswith(b"shard ")]
sums = [row for row in rows if row.startswith(b"  all ")]
assert head[0].endswith(b" bufs") and len(head[0]) == 79, rows
assert sums[0].endswith(b" 0") and len(sums[0]) == 79, rows
screen.key(b"q")
screen.left()
assert screen.text.split() == [], screen.text
print("ok - on 80 columns each row is whole; q leaves nothing behind")

screen = Screen(pid, term="dumb")
screen.until(b"  all ")
assert b"\033" not in screen.text
os.kill(screen.child, signal.SIGTERM)
assert os.WTERMSIG(screen.wait()) == signal.SIGTERM
print("ok - a dumb terminal has no screen")

def has_ended(pid):
    try:
        with open("/proc/" + pid + "/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True

# Both between two looks.
screen = Screen(pid, other)
screen.until(ENTER)
screen.frame()
os.kill(screen.child, signal.SIGSTOP)
assert os.WIFSTOPPED(screen.wait(os.WUNTRACED))
for one in pid, other:
    os.kill(int(one), signal.SIGKILL)
    end = time.monotonic() + PATIENCE_S
    while not has_ended(one):
        assert time.monotonic() < end, one
        time.sleep(0.01)
os.kill(screen.child, signal.SIGCONT)
screen.until(LEAVE)
screen.until(b"fake, pid " + pid.encode() + b", has ended")
screen.until(b"fake, pid " + other.encode() + b", has ended")
assert os.WEXITSTATUS(screen.wait()) == 0
assert screen.is_as_before()
print("ok - and when all have ended, which is the last that it says of each")
EOT
	fail "the terminal is drawn on and given back"
