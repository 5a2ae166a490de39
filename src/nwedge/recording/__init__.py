"""A training recorded as analyses of trajectories and averages need it: weights at chosen steps, losses and rates."""

from nwedge.recording.callbacks import lightning_callback, trainer_callback
from nwedge.recording.reading import Recording, read_recording
from nwedge.recording.recorder import Recorder
from nwedge.recording.schedules import cycle_ends, log_spaced

__all__ = [
    "Recorder",
    "Recording",
    "cycle_ends",
    "lightning_callback",
    "log_spaced",
    "read_recording",
    "trainer_callback",
]
