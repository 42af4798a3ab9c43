"""torch's tensors across two boundaries; each case runs in real, separate processes."""

from __future__ import annotations

from importlib.util import find_spec
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.worker.state.conftest import HandOver

pytestmark = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed: tensors are not tried")

CASES = {
    "views, transposes and slices show one memory": (
        "import torch; a = torch.arange(6.); v = a.view(2, 3); t = v.t(); s = a[1::2]",
        "v[0, 1] = 50; print(a.tolist(), t[1, 0].item(), s[0].item())",
        "[0.0, 50.0, 2.0, 3.0, 4.0, 5.0] 50.0 50.0",
    ),
    "numpy's arrays and tensors show one memory": (
        "import torch, numpy as np; t = torch.zeros(3); n = t.numpy(); x = np.zeros(3); f = torch.from_numpy(x)",
        "n[0] = 1; x[1] = 2; f[2] = 3; print(t.tolist(), f.tolist(), x.tolist())",
        "[1.0, 0.0, 0.0] [0.0, 2.0, 3.0] [0.0, 2.0, 3.0]",
    ),
    "gradients that were gathered are kept": (
        "import torch; w = torch.ones(2, requires_grad=True); (w * 3).sum().backward()",
        "(w * 4).sum().backward(); print(w.grad.tolist(), w.is_leaf)",
        "[7.0, 7.0] True",
    ),
    "an optimiser goes on with the parameters of its model": (
        """
        import torch; torch.manual_seed(1)
        net = torch.nn.Linear(2, 1); same = net.weight.data
        opt = torch.optim.SGD(net.parameters(), lr=0.5, momentum=0.9)
        def step(): opt.zero_grad(); loss = net(torch.ones(1, 2)).sum(); loss.backward(); opt.step(); return loss
        before = net.bias.item(); loss = step()
        """,
        """
        step(); print(round(net.bias.item() - before, 4), opt.param_groups[0]['params'][0] is net.weight)
        print(torch.equal(same, net.weight), loss.shape)
        """,
        "-1.45 True\nTrue torch.Size([])",
    ),
    "a schedule goes on counting the steps of its optimiser": (
        """
        import torch; net = torch.nn.Linear(1, 1); opt = torch.optim.Adam(net.parameters(), lr=1.0)
        schedule = torch.optim.lr_scheduler.StepLR(opt, 2)
        """,
        """
        import warnings; warnings.simplefilter('error', UserWarning)
        opt.step(); schedule.step(); opt.step(); schedule.step(); print(round(opt.param_groups[0]['lr'], 3))
        """,
        "0.1",
    ),
    "random numbers and the default type go on": (
        """
        import torch; torch.manual_seed(5); torch.set_default_dtype(torch.float64)
        g = torch.Generator(); g.manual_seed(5)
        """,
        "print(torch.rand(1).dtype, torch.equal(torch.rand(2), torch.rand(3, generator=g)[1:]))",
        "torch.float64 True",
    ),
    "tensors of other kinds are what they were": (
        """
        import torch; b = torch.ones(2, dtype=torch.bfloat16); e = torch.empty(0, 3); p = torch.eye(2).to_sparse()
        c = torch.complex(torch.ones(1), torch.ones(1)); z = torch.tensor(5); x = torch.arange(2.).expand(2, 2)
        """,
        "print(b.tolist(), b.dtype, e.shape, p.to_dense().tolist(), c.item(), z.item(), x.stride())",
        "[1.0, 1.0] torch.bfloat16 torch.Size([0, 3]) [[1.0, 0.0], [0.0, 1.0]] (1+1j) 5 (0, 1)",
    ),
}


@pytest.mark.parametrize(("before", "after", "expected"), CASES.values(), ids=CASES.keys())
def test_it_travels_through_two_boundaries(hand_over: HandOver, before: str, after: str, expected: str) -> None:
    assert hand_over(dedent(before), "pass", dedent(after)) == expected


def test_a_tensor_that_gradients_can_flow_back_from_is_refused(refusal: HandOver) -> None:
    cell = "import torch; w = torch.ones(2, requires_grad=True); y = (w * w).sum()"
    assert "gradients can flow back" in refusal(cell)


def test_a_tensor_that_torch_would_write_without_its_conjugation_is_refused(refusal: HandOver) -> None:
    assert "conj()" in refusal("import torch; c = torch.complex(torch.ones(1), torch.ones(1)).conj()")
