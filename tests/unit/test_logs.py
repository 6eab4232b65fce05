"""Lines of our log and of what libraries say."""

import logging
import sys

import orjson

from shared.logs import _Library

SECRET = "what-a-client-sent"


def test_a_library_s_line_says_where_and_which_error_and_none_of_its_words() -> None:
    try:
        raise ValueError(f"bad header: {SECRET}")
    except ValueError:
        record = logging.LogRecord("lib", logging.ERROR, "/lib/file.py", 7, "failed: %s", (SECRET,), sys.exc_info())
    line = _Library().format(record)
    assert "\n" not in line
    assert SECRET not in line
    told = orjson.loads(line)
    assert (told["event"], told["logger"], told["at"], told["error"]) == (
        "library.error",
        "lib",
        "file.py:7",
        "ValueError",
    )
    assert told["frames"][0].startswith(__file__)
