"""JavaScript kernels: a Jupyter kernel in Python (from the zygote) and the Node process that runs the code."""
