"""The canonical fit on NVIDIA GPUs.

The folder `kernel` holds the sources of the kernel, and `fit.ptx` what NVRTC
made of them, for any GPU of compute capability 7.5 or newer.
`../source/cuda_handler.cc` gives it to the driver and launches it. Only
`..fit` and `benchmarks` import this package.
"""
