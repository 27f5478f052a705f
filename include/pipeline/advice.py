"""What a person should do about a failed recording, by the error's code."""

from __future__ import annotations

from include import errors

__all__ = ["advice"]

_AGAIN = "then trigger the job again with redo: failed"

_BY_CODE = {
    "audio": "get the recording from its source again and drop it under the same name: it becomes a new revision",
    "invalid_name": "rename the file and drop it again",
    "duplicate_recording": "rename one of the two files and drop it again",
    "delivery": "correct manifest.json or the file that it lists, and drop both again",
    "model": f"put the model's weights in place (./voiceman models), {_AGAIN}",
    "device_memory": f"lower VOICEMAN_DECODE_BATCH_SIZE or choose a smaller model, {_AGAIN}",
    "digest_mismatch": "compare the original under originals/ with its source, then drop the recording again",
    "missing_object": "find out who removed the object (the bucket keeps versions), then drop the recording again",
    "killed": f"see the task's log and the worker's memory, {_AGAIN}",
    "unfinished": f"see the log of the task that ended, {_AGAIN}",
    "unexpected": f"see the task's log and report the error to the developers, {_AGAIN}",
}


def advice(code: str) -> str:
    """What heals failures of this code: a clause without a full stop.

    Args:
        code: of an error of include/errors.py, or what the pipeline fails recordings with.
    """
    if code in _BY_CODE:
        return _BY_CODE[code]
    tree = (getattr(errors, name) for name in errors.__all__)
    if any(one.code == code and issubclass(one, errors.InputError) for one in tree):
        return "mend the file as the message says and drop it again under the same name"
    return f"mend the cause that the message names, {_AGAIN}"
