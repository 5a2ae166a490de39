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
    """The parameters, tied ones once, and the buffers that a state dict holds, by the architecture's own names."""
    model = unwrapped(model)
    parameters = dict(model.named_parameters())
    every = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    kept = model.state_dict(keep_vars=True)
    buffers = {name: value for name, value in kept.items() if name not in every and isinstance(value, Tensor)}
    return {own_name(name): value.detach() for name, value in (parameters | buffers).items()}
