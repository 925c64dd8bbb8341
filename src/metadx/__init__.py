"""metadx learns to diagnose from a handful of labelled cases."""

__version__ = "0.1.0"
