"""`docs/asyncapi.yaml` as text: the document that the code describes, as a person would write YAML."""

from typing import Any

import yaml

from deploy.asyncapi import document

FILE = "docs/asyncapi.yaml"
_ABOUT = "# Made from the code by `make docs`: change that, not this.\n"


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def text() -> str:
    return _ABOUT + yaml.dump(document(), Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)
