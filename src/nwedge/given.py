"""The network that a command line names, on its data."""

from typing import TYPE_CHECKING

from nwedge.specs.own import OwnCheckpoints
from nwedge.sweep.work import one_line

if TYPE_CHECKING:
    from nwedge.landscapes.networks.network import NetworkLandscape


def network_of(arguments: OwnCheckpoints) -> "NetworkLandscape":
    """The user's network on the user's data, where a pass through each kind of them has worked.

    Torch computes with as many threads as are asked for from now on.

    Raises:
        ValueError: it is none, or one of the user's functions raises.
    """
    import torch

    from nwedge.landscapes.networks.network import PredictiveNetwork
    from nwedge.landscapes.networks.own import own_network

    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    try:
        landscape = own_network(
            arguments.network,
            (arguments.data, ()),
            loss=arguments.loss,
            predict=arguments.predict,
            batch_norm=arguments.batch_norm or "recompute",
            device=arguments.device,
        )
        if isinstance(landscape, PredictiveNetwork) and landscape.held_out is not None:
            landscape.held_out.predict(landscape.point(landscape.model)[None])
    except Exception as error:  # the functions are the user's: they may raise anything
        refused = isinstance(error, ValueError | TypeError)
        raise ValueError(f"{arguments.network} on {arguments.data}: {error if refused else one_line(error)}") from error
    return landscape
