"""The spawner, the only privileged process: it starts zygotes and kernels, watches them from outside, and cleans up."""
