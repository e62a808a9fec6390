"""What Tonemill computes: scores, feature blocks, the LSTM, tracks. Nothing here knows of Ray.

Letters in shapes, here and in every file:

    B  batch: lanes in training, rows in generation      T  events in time
    K  streams of an event                               V  vocabulary of a stream
    H  hidden_size                                       L  LSTM layers
    C  audio channels                                    S  audio samples
    F  spectral frames                                   N  notes of a score

The way of the data, in the order of the files:

    notes -> limits, midi, written, performance, notation, reading    a file becomes a Score
    recordings, recording_limits, source_file, tags     a file of any codec becomes samples,
        decoding, decoding_process, isolation           in a process that may die
    resampling, recording_quality, audio_fingerprint    what they are like, and whether they came before
    describe, arrange, musicality                       what a Score is like, and what a written page leaves open
    streams, duplicates, parts, assembly, corpus, blocks    Scores become events in Arrow blocks
    lookback, conditions, pieces, lanes, model, initial_model, training, train_recipe, run    blocks become a
        MusicLSTM; run_state, metrics, curves, baselines           what it leaves behind and is held against
    checkpoint, corpus_statistics, base/                what a model says of itself, and the one that comes along
    order, plan, keys, instruments, primer, ensembles   what a customer asks, and what meets it
    constraints, choosers, counters, sampling, packing, engine    masks, choices and the recurrent step in lock step
    production, warm_up                                 all that is done with what the engine plays:
    soundfont, sfbk, soundbank, modulators, voices, synth    a Score becomes stems
    mastering, room, limiter, loudness, dither, audio   stems become a master
    gates, seam                                         what a track must pass
    records, catalog, catalog_tables, page, roll        a track becomes part of a catalogue
    spectrogram, transcriber_model, note_decoding, transcriber_checkpoint, transcriber, transcriber_base/
                                                        a recording becomes a Transcription (transcription)
    beat_tracking, tempo_curve, quantisation, beat_grid, roles, felt_beats, hearing_picture    which becomes a Score
    training_scores, renders, realism, codecs, targets, clips, held_out    scores become audio to learn hearing from,
        transcriber_training, onset_scores, calibration, transcriber_recipe, transcriber_run    and that a Transcriber
    listening, recording_parts                          all that is done with a recording, and its part of the blocks
    lease                                               of several who would write to one place one may
    storage, local_storage, s3_storage, s3_client, s3_stream, s3_errors, stored_file, errors, closing    beneath all
"""
