from __future__ import annotations

from collections.abc import Callable

HandedOver = Callable[..., str]

OPEN = (
    "from comm import create_comm\nheard = []\nchannel = create_comm(target_name='mine', comm_id='number')\n"
    "channel.on_msg(lambda message: heard.append(message['content']['data']))"
)
SEND = (
    "get_ipython().kernel.comm_manager.comm_msg(None, None, "
    "{'content': {'comm_id': 'number', 'data': 5}, 'buffers': []})"
)


def test_what_a_front_end_sends_reaches_the_widget_of_an_earlier_stage(handed_over: HandedOver) -> None:
    assert handed_over(OPEN, probe=f"{SEND}; print(heard)") == "[5]\n"


def test_a_channel_is_the_one_that_the_kernel_knows(handed_over: HandedOver) -> None:
    probe = "print(get_ipython().kernel.comm_manager.comms['number'] is channel)"
    assert handed_over(OPEN, probe=probe) == "True\n"


def test_a_closed_channel_is_gone(handed_over: HandedOver) -> None:
    assert handed_over(OPEN, "channel.close()", probe="print(get_ipython().kernel.comm_manager.comms)") == "{}\n"
