"""What Tonemill computes: scores, feature blocks, the LSTM, tracks. Nothing here knows of Ray.

Letters in shapes, here and in every file:

    B  batch: lanes in training, rows in generation      T  events in time
    K  streams of an event                               V  vocabulary of a stream
    H  hidden_size                                       L  LSTM layers
    C  audio channels                                    S  audio samples
    F  spectral frames                                   N  notes of a score

Words, here and in every file:

    recording      audio of a corpus                        track          what is generated for one row of an order
    piece          the music of a score, recording or track
    transcription  the notes and beats that a network finds in a recording
    representation how a piece is spelt as events           stream         one integer of an event, such as pitch
    event          one row of streams                       step           one optimiser update
    epoch          one pass over the blocks                 block          an Arrow file of pieces
    batch          what one step consumes                   lane           one row of it over time
    context        an input of the model beside the events  condition      a context of a whole piece, which may be open
    lookback       earlier events that a step may copy; what stands there is recalled
    order          what a customer requests                 plan           tempo, key, bars and length that meet a row
    constraint     what limits the notes of a track         span           a part of a track with the same limits
    locked event   a note that is given and played exactly
    hit            a second at which a section begins
    tune           what the melody of an order is, and its track accompanies
    take           one attempt at a track, with its own seed; gates decide whether it is delivered
    gate           a check of a finished take               stem           one instrument family of a mix
    unit           what an integer counts, such as 2^-10 nats; see fixed_point.py
    master         a mix at its final length and loudness   catalogue      the folder of finished tracks
    scheduled run  one run of a schedule, such as a nightly order

The folders from the ground up; each uses what stands above it in this list (tests/test_boundaries.py):

    foundation/            errors for users, processes that may crash, compiled code, memory, arithmetic
    storage/               a URI is read and written: local files and S3, leases
    notes/                 a file of MIDI, MusicXML, ABC or Humdrum becomes a Score; what a Score is like
    analysis/              what stands where in a Score: chords, roles, melody, form, energy
    originality/           which runs of notes of a Score stand in a corpus, and its nearest piece
    sound/                 a Score becomes stems, stems a master, a master a file
    recordings/            a recording of any codec becomes samples
    representations/       a Score becomes K streams of integers, and the contexts of a model; a table of them
    model/                 MusicLSTM, its integers and its packed form, checkpoints, the base checkpoint
    transcription/         samples become notes and beats, and these a Score
    blocks/                a corpus becomes Arrow blocks of pieces
    dataset/               pieces of blocks become lanes of windows
    training/              a training run: blocks become a checkpoint
    transcriber_training/  the training run of the transcriber
    orders/                what a customer requests, the plan that meets it, the constraints that enforce it
    engine/                constraints and a model become events, many tracks in lock step
    catalogue/             the folder of finished tracks: records, tables, page, pictures
    tracks/                events become a finished track that has passed its gates
"""
