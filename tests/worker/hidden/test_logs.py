from __future__ import annotations

import logging
import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from j2k_dev.worker.hidden.logs import reduce_handler

if TYPE_CHECKING:
    from pathlib import Path

HandedOver = Callable[..., str]


def test_basic_configuration_travels(handed_over: HandedOver) -> None:
    cells = (
        "import logging, sys\nlogging.basicConfig(stream=sys.stdout, level='INFO', format='%(levelname)s %(message)s')"
    )
    assert handed_over(cells, probe="logging.info('hello'); logging.debug('no')") == "INFO hello\n"


def test_a_handler_in_the_namespace_is_the_one_that_its_logger_uses(handed_over: HandedOver) -> None:
    cells = (
        "import logging, sys\nlog = logging.getLogger('mine.deep'); handler = logging.StreamHandler(sys.stdout)\n"
        "handler.setFormatter(logging.Formatter('<%(message)s>')); handler.setLevel('WARNING')\n"
        "log.addHandler(handler); log.setLevel(5); log.propagate = False; handler.set_name('h')"
    )
    probe = "print(log.handlers[0] is handler, logging._handlers['h'] is handler); log.warning('w'); log.info('i')"
    assert handed_over(cells, probe=probe) == "True True\n<w>\n"


def test_a_file_handler_goes_on_writing_where_it_was(handed_over: HandedOver) -> None:
    cells = (
        "import logging, os\nif os.path.exists('run.log'): os.remove('run.log')\n"
        "h = logging.FileHandler('run.log', mode='w'); logging.getLogger('f').addHandler(h)\n"
        "logging.getLogger('f').error('one')"
    )
    assert (
        handed_over(cells, probe="logging.getLogger('f').error('two'); print(open('run.log').read())") == "one\ntwo\n\n"
    )


def test_text_that_waits_in_a_log_file_is_left_alone(tmp_path: Path) -> None:
    """Writing it would show in the recording."""
    handler = logging.FileHandler(tmp_path / "run.log")
    print("waits", end="", file=handler.stream)
    with pytest.raises(pickle.PicklingError, match="flush it in its cell"):
        reduce_handler(handler)
    assert (tmp_path / "run.log").read_text() == ""
    handler.close()


def test_filters_levels_and_classes_of_the_notebook_travel(handed_over: HandedOver) -> None:
    cells = (
        "import logging, sys\nlogging.basicConfig(stream=sys.stdout, format='%(levelname)s:%(message)s')\n"
        "class Mine(logging.Filter):\n    def filter(self, record): return 'ok' in record.getMessage()\n"
        "logging.root.handlers[0].addFilter(Mine())\nlogging.addLevelName(35, 'NOTICE')\n"
        "class Named(logging.Logger):\n    def notice(self, text): self.log(35, text)\nlogging.setLoggerClass(Named)"
    )
    probe = (
        "n = logging.getLogger('later'); n.notice('ok'); "
        "n.notice('no'); logging.disable(50); n.notice('ok'); print('end')"
    )
    assert handed_over(cells, probe=probe) == "NOTICE:ok\nend\n"


def test_disabled_logging_stays_disabled(handed_over: HandedOver) -> None:
    probe = "import logging; logging.error('x'); print(logging.root.manager.disable)"
    assert handed_over("import logging; logging.disable(logging.CRITICAL)", probe=probe) == "50\n"


def test_a_handler_that_keeps_records_back_goes_on_keeping_them(handed_over: HandedOver) -> None:
    """Flushing it would send them to its target, also in the recording, which is to leave everything as it is."""
    cells = (
        "import io, logging, logging.handlers\nout = io.StringIO()\n"
        "keeper = logging.handlers.MemoryHandler(9, target=logging.StreamHandler(out))\n"
        "log = logging.getLogger('kept'); log.addHandler(keeper); log.warning('one')"
    )
    probe = "log.warning('two'); print(len(keeper.buffer), [out.getvalue()])"
    assert handed_over(cells, probe=probe) == "2 ['']\n"
