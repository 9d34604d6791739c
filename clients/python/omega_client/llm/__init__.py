"""The loop in which a model uses tools, for four APIs: by the vendor's SDK, or by HTTP of this library."""
