"""What a picture says below itself: data, directions, errors and gaps, a sentence each."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from nwedge import __version__
from nwedge.landscapes.networks.batch_norm import running_names
from nwedge.landscapes.networks.network import NetworkLandscape
from nwedge.methods.cutting import FLOOR
from nwedge.methods.measuring import ERROR, EXAMPLES
from nwedge.specs.picture import PictureArguments

MOST_NAMED = 4
"""Checkpoints whose values are told one by one; of more the first and the last."""


def of_data(arguments: PictureArguments, landscape: NetworkLandscape) -> str:
    """The network, its data and what is done with BatchNorm."""
    held_out = landscape.held_out
    sizes = f"{landscape.examples:,} training examples"
    if held_out is not None:
        sizes += f" and {held_out.examples:,} held-out ones"
    loss = "the cross-entropy" if arguments.loss is None else arguments.loss
    told = f"{arguments.network} with {landscape.dim:,} weights on {sizes} of {arguments.data}; the loss is {loss}"
    if landscape.recomputes:
        told += "; BatchNorm's statistics are recomputed on the training data at every point"
    elif not set(running_names(landscape.model)).isdisjoint(landscape.model.state_dict()):
        told += "; BatchNorm's statistics are those of the first checkpoint at every point"
    return f"{told}."


def of_version(arguments: PictureArguments) -> str:
    """What draws the same picture again."""
    return (
        f"Drawn by nwedge {__version__} with the seed {arguments.seed}; picture.json holds all arguments and digests."
    )


def of_errors(cuts: Mapping[str, xr.Dataset]) -> list[str]:
    """How exactly values were measured, and what was interpolated."""
    found = []
    first = next(iter(cuts.values()))
    estimated = [str(name) for name in first.data_vars if f"{name}{ERROR}" in first]
    for name in estimated:
        largest = max(float(np.nanmax(cut[name + ERROR].values, initial=0.0)) for cut in cuts.values())
        shares = [cut[name + EXAMPLES].attrs["share"] for cut in cuts.values()]
        share = np.average(shares, weights=[cut.attrs["evaluations"] for cut in cuts.values()])
        found.append(
            f"The {first[name].attrs['long_name']} is estimated to a standard error of "
            f"{first.attrs['tolerance']:g} x max(loss, {first.attrs['floor']:g}) at most, on the same examples at all "
            f"points; the largest standard error is {largest:.2g}, at {share:.0%} of the cost of all examples."
        )
    whole_names = [str(name) for name in first.data_vars if "nonfinite" in first[name].attrs and name not in estimated]
    if whole_names:
        told = ", ".join(first[name].attrs["long_name"] for name in whole_names)
        found.append(f"Measured on all examples: {told}.")
    if "refine" in first.attrs:
        done = sum(int(cut.attrs["evaluations"]) for cut in cuts.values())
        points = sum(int(np.prod(list(cut.sizes.values()))) for cut in cuts.values())
        found.append(
            f"{done:,} points were evaluated for {points:,} of the picture; the others are interpolated, to about "
            f"{first.attrs['refine']:g} x max(value, {first.attrs.get('floor', FLOOR):g})."
        )
    return found


def of_gaps(cuts: Mapping[str, xr.Dataset]) -> list[str]:
    """How many values are not finite; nothing where all are."""
    found = []
    for label, cut in cuts.items():
        for name, variable in cut.data_vars.items():
            count = int(variable.attrs.get("nonfinite", 0))
            if count:
                found.append(f"{label}: {count:,} of {variable.size:,} values of {name} are NaN or infinite, drawn so.")
    return found


def of_checkpoints(values: xr.Dataset) -> list[str]:
    """The metrics at the checkpoints themselves, on all examples."""
    names = [str(name) for name in values["name"].values]
    rows = list(range(len(names)))
    rows = rows if len(rows) <= MOST_NAMED else [rows[0], rows[-1]]
    found = []
    for variable in values.data_vars.values():
        told = ", ".join(f"{variable.values[row]:.4g} at {names[row]}" for row in rows)
        found.append(f"At the checkpoints themselves, on all examples, the {variable.attrs['long_name']} is {told}.")
    return found


def of_angles(cuts: Mapping[str, xr.Dataset]) -> list[str]:
    """The angles between the axes; nothing on lines."""
    angles = [float(cut.attrs["angle"]) for cut in cuts.values() if "angle" in cut.attrs]
    if not angles:
        return []
    told = ", ".join(f"{angle:.1f}" for angle in angles)
    return [f"The axes meet at {told} degrees; distances in weight space are stored beside the coordinates."]
