"""What Tonemill computes: scores, feature blocks, the LSTM, tracks. Nothing here knows of Ray.

Letters in shapes, here and in every file:

    B  batch: lanes in training, rows in generation      T  events in time
    K  streams of an event                               V  vocabulary of a stream
    H  hidden_size                                       L  LSTM layers
    C  audio channels                                    S  audio samples
    F  spectral frames                                   N  notes of a score

The way of the data, in the order of the files:

    notes -> midi, notation, reading, describe        a file becomes a Score
    streams -> blocks                                 a Score becomes events in an Arrow block
    model -> training -> checkpoint                   blocks become a MusicLSTM
    order -> constraints -> sampling -> engine        an order row becomes a Score
    synth -> mastering -> gates -> catalog            a Score becomes a track in a catalogue
"""
