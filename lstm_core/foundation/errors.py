"""The errors that a user can do something about; their messages say what."""


class TonemillError(Exception):
    """Base of all errors whose message is for the user: shown on one screen, without a traceback."""


class ScoreError(TonemillError):
    """A file is not a score that we can read."""


class OrderError(TonemillError):
    """An order is malformed or cannot be met."""


class BlockError(TonemillError):
    """A folder of feature blocks is missing, incomplete or altered."""


class RepresentationError(TonemillError):
    """A representation is unknown, or is not the one that is needed."""


class CheckpointError(TonemillError):
    """A checkpoint is missing, incomplete, altered or made for something else."""


class SoundFontError(TonemillError):
    """No usable SoundFont was found."""


class StorageError(TonemillError):
    """A place of storage cannot be read or written."""


class MissingError(StorageError):
    """Nothing is stored at a URI."""


class ChangedError(StorageError):
    """What is stored at a URI is not what was listed there before."""


class DeniedError(StorageError):
    """The user has no permission for this operation."""


class CredentialsError(StorageError):
    """There are no credentials for a store, or it rejects them."""


class BucketError(StorageError):
    """A bucket does not exist, or is somewhere else."""


class UnreachableError(StorageError):
    """No store answers at an address."""


class ThrottledError(StorageError):
    """A store kept throttling requests."""


class StalledError(StorageError):
    """A connection stalled."""


class BrokenError(StorageError):
    """A store or its connections kept failing."""


class RecipeError(TonemillError):
    """A recipe holds an unknown key or an impossible value."""


class TrainingError(TonemillError):
    """A training run cannot start or cannot go on."""


class RecordingError(TonemillError):
    """A recording cannot be used; `stage` says at which step ("decode", "quality"), the message why."""

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(stage, reason)  # both, so that it survives a trip between processes
        self.stage = stage
        self.reason = reason

    def __str__(self) -> str:
        return self.reason
