from __future__ import annotations

from collections.abc import Callable

import pytest

HandedOver = Callable[..., str]


@pytest.mark.parametrize(
    ("cells", "probe", "expected"),
    [
        (
            "import numpy as np; np.set_printoptions(precision=2, formatter={'float': lambda x: f'<{x:.1f}>'})",
            "print(np.array([1.234]))",
            "[<1.2>]\n",
        ),
        (
            "import numpy as np; _ = np.seterr(divide='raise')",
            "try:\n    np.array([1.0]) / 0\nexcept FloatingPointError:\n    print('raised')",
            "raised\n",
        ),
        (
            "import numpy as np\n_ = np.seterr(all='call'); _ = np.seterrcall(lambda kind, flag: print('call', kind))",
            "_ = np.array([1.0]) / 0",
            "call divide by zero\n",
        ),
        (
            (
                "import pandas as pd; pd.set_option('display.max_rows', 4); "
                "pd.options.display.float_format = '{:.1f}'.format"
            ),
            "print(pd.Series([1.25] * 9))",
            None,
        ),
        (
            "import pandas as pd; pd.set_option('display.precision', 2); pd.reset_option('display.precision')",
            "print(pd.get_option('display.precision'))",
            "6\n",
        ),
        (
            "import sklearn; sklearn.set_config(display='text', transform_output='pandas')",
            "print(sklearn.get_config()['transform_output'])",
            "pandas\n",
        ),
        (
            "import scipy.special; _ = scipy.special.seterr(all='raise')",
            "import scipy.special; print(scipy.special.geterr()['domain'])",
            "raise\n",
        ),
    ],
)
def test_options_of_libraries_travel(handed_over: HandedOver, cells: str, probe: str, expected: str | None) -> None:
    shown = handed_over(cells, probe=probe)
    assert expected is None or shown == expected
