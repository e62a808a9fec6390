"""What Tonemill computes: scores, feature blocks, the LSTM, tracks. Nothing here knows of Ray.

Letters in shapes, here and in every file:

    B  batch: lanes in training, rows in generation      T  events in time
    K  streams of an event                               V  vocabulary of a stream
    H  hidden_size                                       L  LSTM layers
    C  audio channels                                    S  audio samples
    F  spectral frames                                   N  notes of a score

The way of the data, in the order of the files (a name with a slash is a sub-package):

    notes, scores/                  a file of MIDI, MusicXML, ABC or Humdrum becomes a Score; what a Score is like
    decode/                         a recording of any codec becomes samples
    transcriber, hearing/           samples become notes and beats, and these a Score; transcriber_base/ has the weights
    ear_training/                   how the transcriber learnt to hear
    streams, blocks, corpora/       Scores become events in Arrow blocks
    model, training, learning/      blocks become a MusicLSTM
    checkpoint, base/               what a model says of itself, and the one that comes along
    order, constraints, sampling, playing/    what a customer asks becomes events, masked, in lock step
    synth, mastering, audio, sound/           events become stems and these a master
    gates, catalog, catalogue/      what a track must pass, and the catalogue it becomes part of
    storage, stores/                a URI is read and written: local files and S3
    errors, closing, isolation      beneath all: what is said to users, what is closed, processes that may die
    bfloat16, compiling             arithmetic and compiled code that several of them share
"""
