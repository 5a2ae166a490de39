"""What a picture says of its errors and gaps."""

import numpy as np
import xarray as xr

from nwedge.pictures import footer


def cut(**attributes) -> xr.Dataset:
    values = ("c0", [1.0, np.nan, 3.0, 4.0], {"long_name": "training loss", "units": "nats", "nonfinite": 1})
    return xr.Dataset({"loss": values}, {"c0": range(4)}, {"evaluations": 4, **attributes})


def test_values_on_all_examples():
    assert footer.of_errors({"network": cut()}) == ["Measured on all examples: training loss."]


def test_estimates_tell_their_largest_error_and_their_cost():
    own = cut(tolerance=0.02, floor=0.1).assign(
        loss_error=("c0", [0.0, np.nan, 0.05, 0.01]), loss_examples=("c0", [50, 10, 20, 20], {"share": 0.2})
    )
    more = own.assign_attrs(evaluations=12).assign(loss_examples=("c0", [50, 10, 20, 20], {"share": 0.4}))
    (told,) = footer.of_errors({"draw 1": own, "draw 2": more})
    assert "0.02 x max(loss, 0.1)" in told
    assert "largest standard error is 0.05, at 35% of the cost" in told


def test_interpolated_points_are_told():
    found = footer.of_errors({"network": cut(refine=0.5, floor=0.1).assign_attrs(evaluations=3)})
    assert "3 points were evaluated for 4 of the picture" in found[-1]


def test_gaps_and_checkpoints():
    assert footer.of_gaps({"network": cut()}) == ["network: 1 of 4 values of loss are NaN or infinite, drawn so."]
    names = [f"{number}.pt" for number in range(6)]
    own = xr.Dataset({"loss": ("checkpoint", np.arange(6.0), {"long_name": "training loss"})})
    (told,) = footer.of_checkpoints(own.assign_coords(name=("checkpoint", names)))
    assert told.endswith("the training loss is 0 at 0.pt, 5 at 5.pt.")
    assert (
        "1 at 1.pt" in footer.of_checkpoints(own.assign_coords(name=("checkpoint", names))[{"checkpoint": [0, 1]}])[0]
    )
