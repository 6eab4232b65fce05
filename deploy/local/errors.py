"""What can go wrong while local servers are found, started and stopped.

LocalServersError
├── NoServers      nothing on this machine can provide them; the message is one line saying what to do
├── FolderInUse    another living process runs servers in the same folder
└── ServerFailed   a server would not start or stop; the message holds the end of its log
"""


class LocalServersError(Exception):
    """The message is meant for a person and is shown without a traceback."""


class NoServers(LocalServersError):
    """Neither native copies nor containers are possible here."""


class FolderInUse(LocalServersError):
    """Two runs must not share one data folder."""


class ServerFailed(LocalServersError):
    """A server process ended, or did not get ready in time."""
