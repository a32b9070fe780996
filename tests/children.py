"""Run a function in a forked child that is killed when it takes too long."""

import os
import signal
import sys
import time
import traceback


def run_in_child(work, seconds=30):
    """Fork, call `work` in the child, and fail if it raises, crashes or takes longer than `seconds`."""
    wait_for_child(start_child(work), seconds)


def start_child(work):
    """Fork and call `work` in the child, which ends with exit code 0, or 3 and a traceback."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
        os._exit(0)
    except BaseException:
        os.write(2, traceback.format_exc().encode())
        os._exit(3)


def wait_for_child(pid, seconds=30):
    """Wait until a child has ended, and fail unless it ended well in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            assert os.waitstatus_to_exitcode(status) == 0, "the child failed; see its traceback in stderr"
            return
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise AssertionError(f"the child hung for {seconds} seconds")


def check_search_and_add_in_child(index, note, finds):
    """Check that a child of this process finds notes of an index by their numbers, and adds one for both."""
    assert finds(index, 7)

    def child():
        assert finds(index, 8)
        index.add(note(70))
        assert finds(index, 70)

    run_in_child(child)
    assert finds(index, 70)
    assert finds(index, 7)
