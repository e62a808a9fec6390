"""A MusicLSTM in integers: its weights, how they are made from floats, and one step of it.

weights.py       the integer weights of a model, their bounds, and how they are stored
ranges.py        how far the numbers inside a model reach on given pieces
quantising.py    integer weights from a model and its ranges, and the model that integer weights stand for
units.py         what the integers of a step count
definition.py    one step in plain NumPy int64: what every other step must equal
products.py      products of bytes, exact on every machine
step.py          the step of the CPU: integer products of torch, all else compiled
kernels.py       what step.py compiles
device_step.py   the step as torch operations, for GPUs
"""
