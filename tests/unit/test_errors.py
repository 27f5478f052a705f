import inspect
import re

from include import errors


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    doc = errors.__doc__ or ""
    drawn = set(re.findall(r"[├└]── (\w+)", doc)) | {"VoiceManError"}
    real = {name for name, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, errors.VoiceManError)}
    assert drawn == real == set(errors.__all__)


def test_codes_are_unique_and_bad_input_is_never_retried() -> None:
    classes = [getattr(errors, name) for name in errors.__all__]
    assert len({one.code for one in classes}) == len(classes)
    assert not any(one.retryable for one in classes if issubclass(one, errors.InputError))
