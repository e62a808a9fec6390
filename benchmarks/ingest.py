"""How fast recordings become blocks, the overhead of Ray, and the memory of both: python -m benchmarks.ingest

The corpus is made from seeds: 20 recordings of 90 s in six codecs. The loop beside Ray is as many processes as Ray has
workers, each with the same functions on its share, from the manifest to stored parts; processes and network are there
when its clock starts. Of Ray's run the time of one with two recordings is subtracted: that is how long Ray and its
workers take to start, and it does not grow with the corpus. The large corpus is the small one under many names. Memory
is the peak of a worker and its decoder, as the kernel counts it (VmHWM). Where other programs keep the cores busy, use
the figure per second of processor time: that of workers and decoders, without their start.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import NamedTuple

from benchmarks.report import print_metric
from jobs.prepare.corpus_reading import cut_recording_parts
from jobs.prepare.run import run_prepare
from jobs.runtime.local_ray import ray_running
from lstm_core.blocks.corpus import list_corpus
from tests.jobs.recordings import CODECS, RATE, recording, tune
from tests.lstm_core.encoded import encode

NUM_RECORDINGS, RECORDING_S = 20, 90.0
TARGET_REALTIME, TARGET_RAY, TARGET_MEMORY = 100.0, 0.9, 1.1
LONG_S = 3 * 3600


def make_corpus(folder: Path, names: range, source: Path | None = None) -> float:
    """Seconds of the recordings of these numbers, written to a folder; with a `source` they are links."""
    codecs = list(CODECS)
    for number in names:
        codec = codecs[number % NUM_RECORDINGS % len(codecs)]
        path = folder / f"{number // NUM_RECORDINGS:03}" / f"{number % NUM_RECORDINGS:02}{CODECS[codec]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if source is None:
            path.write_bytes(recording(number, RECORDING_S, codec))
        else:
            os.link(source / "000" / path.name, path)
    return len(names) * RECORDING_S


def bare_s(corpus: Path, parts: Path, num_workers: int) -> float:
    """Seconds that a loop takes in so many processes."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(num_workers + 1)
    workers = [context.Process(target=_work, args=(corpus, parts, n, num_workers, barrier)) for n in range(num_workers)]
    for worker in workers:
        worker.start()
    barrier.wait()
    start = time.perf_counter()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    return time.perf_counter() - start


def _work(corpus: Path, parts: Path, number: int, num_workers: int, barrier: Barrier) -> None:
    import torch

    from lstm_core.blocks.recording_parts import make_recording_part
    from lstm_core.transcription.recording_transcriber import RecordingTranscriber, Source
    from lstm_core.transcription.transcriber import Transcriber
    from lstm_core.transcription.transcriber_checkpoint import load_transcriber

    torch.set_num_threads(1)
    with RecordingTranscriber(Transcriber(load_transcriber())) as transcriber:
        listed = list_corpus(corpus)
        first = corpus / listed.manifest["path"][0].as_py()
        transcriber.transcribe(Source("warm up", first))
        barrier.wait()
        for files in cut_recording_parts(listed.manifest, num_workers)[number::num_workers]:
            make_recording_part(str(corpus), files, str(parts), transcriber)


class RayRun(NamedTuple):
    """The cost of a run of prepare, Ray running before."""

    wall_s: float
    peak_mb: float  # of the worker that had most, with its decoder
    worker_cpu_s: float  # of all workers and decoders from their start on


def ray_run(corpus: Path, blocks: Path, num_workers: int) -> RayRun:
    """Measures prepare."""
    seen: dict[int, Usage] = {}
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            seen.update((usage.process, usage) for usage in _processes())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    start = time.perf_counter()
    run_prepare(str(corpus), str(blocks), num_workers=num_workers)
    wall_s = time.perf_counter() - start
    ended.set()
    thread.join()
    peaks: Counter[int] = Counter()
    for usage in seen.values():
        peaks[usage.worker] += round(usage.peak_mb)
    return RayRun(wall_s, max(peaks.values()), sum(usage.cpu_s for usage in seen.values()))


class Usage(NamedTuple):
    process: int
    worker: int  # the process itself, of a decoder its parent
    peak_mb: float
    cpu_s: float


def _processes() -> Iterator[Usage]:
    """Workers and decoders that run on this machine."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
            is_decoder = b"lstm_core.recordings.decoding_process" in command
            if is_decoder or b"TranscriberActor" in command:
                status = _status(folder)
                ticks = (folder / "stat").read_text().rpartition(")")[2].split()[11:13]
                worker = int(status["PPid"]) if is_decoder else int(folder.name)
                cpu_s = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
                yield Usage(int(folder.name), worker, _peak_mb(status), cpu_s)
        except OSError:
            continue


def _status(folder: Path) -> dict[str, str]:
    return dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line)


def _peak_mb(status: dict[str, str]) -> float:
    return int(status.get("VmHWM", "0 kB").split()[0]) / 1024


def long_file_mb(folder: Path, duration_s: int) -> tuple[float, float]:
    """Peak memory in MB of a process that transcribes a recording of so many seconds, and seconds per second."""
    minute = encode(tune(0, 60.0)[:1, ::2], "wav", sample_rate=RATE // 2)
    path = folder / "long.wav"
    data = minute.index(b"data") + 8
    size = duration_s // 60 * (len(minute) - data)
    with path.open("wb") as file:
        file.write(minute[: data - 4] + size.to_bytes(4, "little"))
        for _ in range(duration_s // 60):
            file.write(minute[data:])
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.ingest", "--transcribe", path], capture_output=True, check=True
    )
    path.unlink()
    return float(json.loads(done.stdout)["peak_mb"]), duration_s / (time.perf_counter() - start)


def transcribe(path: Path) -> None:
    """Prints peak memory and number of notes of one recording."""
    import torch

    from lstm_core.transcription.recording_transcriber import RecordingTranscriber, Source
    from lstm_core.transcription.transcriber import Transcriber
    from lstm_core.transcription.transcriber_checkpoint import load_transcriber

    torch.set_num_threads(1)
    with RecordingTranscriber(Transcriber(load_transcriber())) as transcriber:
        transcribed = transcriber.transcribe(Source(path.name, path))
        decoders = sum(usage.peak_mb for usage in _processes() if usage.worker == os.getpid())
    peak_mb = _peak_mb(_status(Path("/proc/self"))) + decoders
    print(json.dumps({"peak_mb": peak_mb, "num_notes": len(transcribed.score.notes)}))


def main(hours: float, num_workers: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seconds = make_corpus(folder / "small", range(NUM_RECORDINGS))
        make_corpus(folder / "tiny", range(2), folder / "small")
        facts = {"num_workers": num_workers, "corpus_h": seconds / 3600}
        bare = seconds / bare_s(folder / "small", folder / "parts", num_workers)
        with ray_running(num_cpus=num_workers):
            run_prepare(str(folder / "tiny"), str(folder / "tiny blocks"), num_workers=num_workers)
            fixed = ray_run(folder / "tiny", folder / "tiny again", num_workers)
            small = ray_run(folder / "small", folder / "small blocks", num_workers)
        again = seconds / bare_s(folder / "small", folder / "parts again", num_workers)
        bare = (bare + again) / 2  # before and after, as other work comes and goes
        rate = (seconds - 2 * RECORDING_S) / (small.wall_s - fixed.wall_s)
        print_metric("ingest_vs_bare", rate / bare, "ratio", against={"target": TARGET_RAY}, **facts)
        print_metric("ingest_fixed_s", fixed.wall_s, "s", whole_run_s=round(small.wall_s, 1), **facts)
        large_folder = folder / "large"
        more = make_corpus(large_folder, range(round(hours * 3600 / RECORDING_S)), folder / "small")
        with ray_running(num_cpus=num_workers):
            large = ray_run(large_folder, folder / "large blocks", num_workers)
        facts["corpus_h"] = more / 3600
        per_core = more / large.wall_s / min(num_workers, os.cpu_count() or 1)
        targets = {"target": TARGET_REALTIME, "bare": bare / num_workers}
        print_metric("ingest_realtime_per_core", per_core, "x", against=targets, **facts)
        per_cpu_s = (more - seconds) / (large.worker_cpu_s - small.worker_cpu_s)
        print_metric("ingest_realtime_per_cpu_s", per_cpu_s, "x", against={"target": TARGET_REALTIME}, **facts)
        ratio, peaks = large.peak_mb / small.peak_mb, {"small_mb": small.peak_mb, "large_mb": large.peak_mb}
        print_metric("ingest_peak_rss_ratio", ratio, "ratio", against={"target": TARGET_MEMORY}, **peaks)
        short_mb, _ = long_file_mb(folder, 180)
        long_mb, long_rate = long_file_mb(folder, LONG_S)
        peaks = {"three_minutes_mb": round(short_mb), "three_hours_mb": round(long_mb), "realtime": round(long_rate)}
        print_metric("ingest_long_file_ratio", long_mb / short_mb, "ratio", against={"target": TARGET_MEMORY}, **peaks)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=10.0, help="of the large corpus")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--transcribe", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.transcribe:
        transcribe(arguments.transcribe)
    else:
        main(arguments.hours, arguments.workers)
