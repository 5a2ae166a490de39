"""The names that wrappers add to those of an architecture: torch.compile, DistributedDataParallel, FSDP."""

from torch import Tensor, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

WRAPPERS = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
"""What wrappers call the module inside them, wherever a part is wrapped; nobody else takes these names."""


def own_name(name: str) -> str:
    """A parameter's name without those of wrappers: "layer._orig_mod.weight" is "layer.weight"."""
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def unwrapped(model: nn.Module) -> nn.Module:
    """The module inside torch.compile, DataParallel and DistributedDataParallel, however often it is wrapped."""
    while True:
        if isinstance(model, DataParallel | DistributedDataParallel):
            model = model.module
        elif isinstance(inner := getattr(model, "_orig_mod", None), nn.Module):
            model = inner
        else:
            return model


def state_of(model: nn.Module) -> dict[str, Tensor]:
    """The tensors of a state dict, tied ones by each of their names, by the architecture's own names."""
    kept = unwrapped(model).state_dict()
    return {own_name(name): value for name, value in kept.items() if isinstance(value, Tensor)}
