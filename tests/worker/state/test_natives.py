"""Queues and thread-local data across two boundaries; each case runs in real, separate processes."""

from __future__ import annotations

from queue import SimpleQueue
from typing import TYPE_CHECKING

from j2k_dev.worker.state.natives import reduce_queue

if TYPE_CHECKING:
    from tests.worker.state.conftest import HandOver


def test_a_simple_queue_keeps_what_waits_in_it_in_order(hand_over: HandOver) -> None:
    cell = "import queue; q = queue.SimpleQueue(); same = q\nfor n in 'abcd': q.put(n)\nq.get(); q.put([q])"
    probe = "print([q.get() for _ in range(3)], q.get()[0] is q is same, q.empty())"
    assert hand_over(cell, "pass", probe) == "['b', 'c', 'd'] True True"


def test_looking_at_a_queue_takes_nothing_out_of_it() -> None:
    waiting: SimpleQueue[int] = SimpleQueue()
    waiting.put(1)
    held = reduce_queue(waiting)[2]
    assert (list(held), waiting.get_nowait()) == ([1], 1)


def test_the_first_thread_keeps_its_own_data(hand_over: HandOver) -> None:
    cell = "import threading; own = threading.local(); own.x = [1]; same = own.x"
    probe = "own.y = 2; print(own.x is same, vars(own))"
    assert hand_over(cell, "pass", probe) == "True {'x': [1], 'y': 2}"


def test_the_systems_source_of_randomness_is_there(hand_over: HandOver) -> None:
    assert hand_over("import random; r = random.SystemRandom()", "pass", "print(0 <= r.random() < 1)") == "True"


def test_weak_references_go_on_calling_back(hand_over: HandOver) -> None:
    cell = (
        "import weakref\nclass A:\n    def m(self): return 5\na = A(); b = A(); died = []\n"
        "w = weakref.ref(a, lambda _: died.append('ref')); f = weakref.finalize(a, died.append, 'final')\n"
        "m = weakref.WeakMethod(a.m); g = weakref.finalize(b, died.append, 'never'); g.detach();"
    )
    probe = "print(w() is a, m()(), f.alive, g.alive); del a, b; print(sorted(died), w(), m(), f.alive)"
    assert hand_over(cell, "pass", probe) == "True 5 True False\n['final', 'ref'] None None False"


def test_a_file_read_through_a_compressor_is_refused(refusal: HandOver) -> None:
    cell = "import gzip\nwith gzip.open('a.gz', 'wt') as f: f.write('x')\nf = gzip.open('a.gz', 'rt')"
    assert "cannot hand over the open stream" in refusal(cell)
