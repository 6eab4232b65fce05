"""`make docs`: writes again what is made from the code."""

from tests.docs.asyncapi import FILE, text
from tests.docs.pages import PROJECT

if __name__ == "__main__":
    (PROJECT / FILE).write_text(text())
