"""Runs a command on a terminal of its own and prints what it wrote.

    terminal.py [--columns N] [--until TEXT --times N] COMMAND...

With --until the command is interrupted (Ctrl-C) once TEXT was there N times. The exit status is the command's (128 + number
after a signal); 99 when TEXT did not come within 30 seconds."""
import argparse
import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time

parser = argparse.ArgumentParser()
parser.add_argument("--columns", type=int, default=120)
parser.add_argument("--until")
parser.add_argument("--times", type=int, default=1)
parser.add_argument("command", nargs=argparse.REMAINDER)
args = parser.parse_args()

size = struct.pack("HHHH", 40, args.columns, 0, 0)
master, slave = pty.openpty()
fcntl.ioctl(master, termios.TIOCSWINSZ, size)
pid = os.fork()
if pid == 0:
    os.close(master)
    os.login_tty(slave) if hasattr(os, "login_tty") else None
    if not hasattr(os, "login_tty"):
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for fd in (0, 1, 2):
            os.dup2(slave, fd)
    os.execvp(args.command[0], args.command)
os.close(slave)

text, deadline, interrupted = b"", time.monotonic() + 30, False
while True:
    ready, _, _ = select.select([master], [], [], 0.5)
    if ready:
        try:
            data = os.read(master, 65536)
        except OSError:  # the last one closed the terminal
            data = b""
        if not data:
            break
        text += data
    if args.until and not interrupted and text.count(args.until.encode()) >= args.times:
        os.write(master, b"\x03")
        interrupted = True
    if time.monotonic() > deadline:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        sys.stdout.buffer.write(text)
        sys.exit(99)
_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(text)
sys.stdout.flush()
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
