from __future__ import annotations

from collections.abc import Callable

import pytest

HandedOver = Callable[..., str]


def test_random_goes_on_where_it_was(handed_over: HandedOver) -> None:
    handed_over(
        "import random\nrandom.seed(3); _ = [random.gauss(0, 1) for _ in range(5)]", probe="print(random.gauss(0, 1))"
    )


@pytest.mark.parametrize("kind", ["MT19937", "PCG64", "SFC64"])
def test_numpys_global_generator_goes_on_whatever_its_kind(handed_over: HandedOver, kind: str) -> None:
    cells = (
        f"import numpy as np\nbits = np.random.{kind}(7)\n"
        f"np.random.set_bit_generator(bits)\n_ = np.random.normal(size=3)"
    )
    probe = "print(np.random.normal(size=2), np.random.get_bit_generator() is bits, np.random.rand())"
    assert " True " in handed_over(cells, probe=probe)


def test_numpys_seed_travels(handed_over: HandedOver) -> None:
    handed_over("import numpy as np\nnp.random.seed(1); _ = np.random.randn(3)", probe="print(np.random.randn(3))")


def test_torch_and_its_options_go_on(handed_over: HandedOver) -> None:
    pytest.importorskip("torch", reason="torch is not installed here")
    cells = (
        "import torch\n_ = torch.manual_seed(4); _ = torch.rand(3)\n"
        "torch.set_default_dtype(torch.float64)\ntorch.set_printoptions(precision=2)"
    )
    handed_over(cells, probe="print(torch.rand(2), torch.is_grad_enabled())")
