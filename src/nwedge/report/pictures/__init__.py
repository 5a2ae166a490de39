"""Pictures of a landscape: cuts, trajectories and spectra as figures, as one page, and as files for ParaView."""
