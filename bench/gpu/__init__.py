"""What `bench/gpu.sh` runs: the Python engine measured on a machine with a GPU."""
