"""Every annotation of a shape or a type is checked while the tests run; torch gets one thread per worker."""

from jaxtyping import install_import_hook

install_import_hook("nwedge", "beartype.beartype")

import os  # noqa: E402

import torch  # noqa: E402

if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)
