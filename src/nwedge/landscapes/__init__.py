"""What there is: the wedge model, networks, controls, and landscapes seen through charts."""
