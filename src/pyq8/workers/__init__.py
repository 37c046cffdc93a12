"""Images spread over any `concurrent.futures.Executor`: threads of this process, processes, a Dask cluster.

Whatever computes them, the result is the same, bit for bit: every image is computed alone by one thread, and what comes
back is put together in the order of the images, or by sums that are exact.
"""
