"""Neural networks as landscapes: any module on any data, architectures and data sets."""
