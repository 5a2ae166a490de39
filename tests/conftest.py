"""Every annotation of a shape or a type is checked while the tests run, and torch computes with one thread.

So it does in the processes that tests start: there are as many tests at once as a machine has cores.
"""

import os
import random
from unittest import mock

# beartype looks at a random item of each sequence. Imported like this it draws from a stream of its own, so that tests
# of purity see Python's global random state as the code under test leaves it.
with mock.patch("random.getrandbits", random.Random(0).getrandbits):
    import beartype  # noqa: F401

from jaxtyping import install_import_hook

install_import_hook("nwedge", "beartype.beartype")

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch  # noqa: E402

torch.set_num_threads(1)
