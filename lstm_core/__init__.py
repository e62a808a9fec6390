"""What Tonemill computes: scores, feature blocks, the LSTM, tracks. Nothing here knows of Ray.

Letters in shapes, here and in every file:

    B  batch: lanes in training, rows in generation      T  events in time
    K  streams of an event                               V  vocabulary of a stream
    H  hidden_size                                       L  LSTM layers
    C  audio channels                                    S  audio samples
    F  spectral frames                                   N  notes of a score

The folders from the ground up; each uses what stands above it in this list (tests/test_boundaries.py):

    foundation/            errors for users, processes that may crash, compiled code, memory, arithmetic
    storage/               a URI is read and written: local files and S3, leases
    notes/                 a file of MIDI, MusicXML, ABC or Humdrum becomes a Score; what a Score is like
    analysis/              what stands where in a Score: chords, roles, melody, form, energy
    sound/                 a Score becomes stems, stems a master, a master a file
    recordings/            a recording of any codec becomes samples
    representations/       a Score becomes K streams of integers, and what a model is told besides; a table of them
    model/                 MusicLSTM, its packed form, checkpoints, the base checkpoint
    transcription/         samples become notes and beats, and these a Score
    blocks/                a corpus becomes Arrow blocks of pieces
    dataset/               pieces of blocks become lanes of windows
    training/              a training run: blocks become a checkpoint
    transcriber_training/  the training run of the transcriber
    orders/                what a customer orders, the plan that meets it, the constraints that enforce it
    engine/                constraints and a model become events, many tracks in lock step
    catalogue/             the folder of finished tracks: records, tables, page, pictures
    tracks/                events become a finished track that has passed its gates
"""
