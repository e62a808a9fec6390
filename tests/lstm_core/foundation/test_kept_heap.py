import subprocess
import sys

_TWO_ROUNDS = """
import resource
import numpy as np
from lstm_core.foundation.kept_heap import keep_heap

def num_faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [np.ones(5_000_000, dtype=np.float32) for _ in range(10)]
    del arrays
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

keep_heap()
print(num_faults(), num_faults())
"""


def test_what_was_freed_is_taken_again_without_page_faults() -> None:
    """Ten arrays of 20 MB, as the stems of a minute are, twice; in a separate process, which keeps it to its end."""
    done = subprocess.run([sys.executable, "-c", _TWO_ROUNDS], capture_output=True, text=True, check=True)
    first, second = map(int, done.stdout.split())
    assert second < first / 10
