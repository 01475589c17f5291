"""The portfolio engine beside other packages and the bare solvers: `python -m benchmarks.engine [--quick] [--json FILE]`."""

import os

# One thread for everybody, said before numpy loads; the runs limit the pools once more and print what they find.
for _pool in ("OPENBLAS", "OMP", "MKL", "NUMEXPR", "RAYON", "NUMBA"):
    os.environ[f"{_pool}_NUM_THREADS"] = "1"
