"""The spawner: the one process with privileges. It starts zygotes and kernels, watches them from outside, and cleans up."""
