"""A claim on a network of your own for every combination of settings, in one call."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from nwedge.specs.references import FUNCTIONS, name_of
from nwedge.specs.sweep import Sweep
from nwedge.specs.vary import texts
from nwedge.study import Finished, carry_out, prepare


def sweep_over(
    claim: str,
    vary: Mapping[str, Iterable[Any]],
    *,
    network: str | Callable[..., Any],
    data: str | Callable[..., Any],
    loss: str | Callable[..., Any] | None = None,
    predict: str | Callable[..., Any] | None = None,
    out: str | Path = "sweep",
    workers: int | None = 1,
    **settings: Any,
) -> Finished:
    """Measure a claim on a network of your own for every combination of settings; judge, and draw the report.

    It is `nwedge sweep`: each combination is a row of the verdicts, each of its seeds an independent repetition, and
    what is done already below `out` is kept. Functions are given as "package.module:function" or as they are, from
    modules that other processes can import.

    Args:
        claim: the id of a claim that reads runs at one rate, such as "tunnels".
        vary: values by name: seed, a setting of the training, claim.SETTING, network.ARGUMENT or data.ARGUMENT.
        network: returns a `torch.nn.Module`.
        data: returns (training data, held-out data or None), each what `nwedge.NetworkLandscape` takes.
        loss: of (model, batch) -> mean over the batch; None: the cross-entropy of (x, y).
        predict: of (model, batch) -> probabilities; needed beside `loss` by claims about accuracy.
        out: the directory of results, verdicts, figures and the report.
        workers: processes side by side; with more than one a script must call this under
            `if __name__ == "__main__":`. None: one a CPU.
        settings: the other fields of `nwedge.specs.sweep.Sweep`, such as lr, steps, optimizer, device or engine.

    Returns:
        The rows of verdicts.json, what became of the tasks (failed ones with their errors), and the report's path.

    Raises:
        ValueError, TypeError: an unknown name or a value that cannot be, or functions that are not to be found or make
            no landscape.
        StoreError: the directory cannot be written, or another process works in it on other tasks.
        WorkersError: the worker processes or the cluster cannot be had.
    """
    given = dict(zip(FUNCTIONS, (network, data, loss, predict), strict=True))
    names = {what: name_of(function) for what, function in given.items() if function is not None}
    arguments = Sweep(claim=claim, vary=texts(vary), out=Path(out), workers=workers, **names, **settings)
    return carry_out(arguments, prepare(arguments))
