"""basic-pitch over WAV files, one thread; run by the Python of a separate environment (see basic_pitch_peer.py).

    ENVIRONMENT/bin/python benchmarks/basic_pitch_runner.py FILE.wav ...

Prints one JSON object: for each file its notes as rows of (onset_s, offset_s, pitch), and its processor seconds. The
first file is done twice and the first time not counted, so that start-up is not counted.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time

import onnxruntime


def main(paths: list[str]) -> None:
    _one_thread()
    from basic_pitch import ICASSP_2022_MODEL_PATH
    from basic_pitch.inference import Model, predict

    rows, seconds = [], []
    with contextlib.redirect_stdout(sys.stderr):  # it prints while it works
        model = Model(ICASSP_2022_MODEL_PATH)
        predict(paths[0], model)
        for path in paths:
            start = time.process_time()
            _, _, notes = predict(path, model)
            seconds.append(time.process_time() - start)
            rows.append(sorted((float(note[0]), float(note[1]), int(note[2])) for note in notes))
    print(json.dumps({"notes": rows, "seconds": seconds}))


def _one_thread() -> None:
    """Makes every ONNX session run in one thread; basic-pitch has no option for it."""
    make = onnxruntime.InferenceSession

    def single(*args: object, **kwargs: object) -> object:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        return make(*args, **{**kwargs, "sess_options": options})

    onnxruntime.InferenceSession = single


if __name__ == "__main__":
    main(sys.argv[1:])
