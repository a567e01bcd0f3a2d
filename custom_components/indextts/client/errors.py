"""Everything that can go wrong between the client and a daemon, as one tree."""


class IndexTTSError(Exception):
    """Base of all that can go wrong; `code` is stable, `details` are what a sentence may name."""

    code: str
    retry_after_s: float | None = None

    def __init__(self, message: str, /, **details: str) -> None:
        super().__init__(message)
        self.details = details


class IndexTTSConnectionError(IndexTTSError):
    """Nobody answers, too slowly, or the connection broke."""

    code = "cannot_connect"


class IndexTTSNotADaemonError(IndexTTSError):
    """Something else answers at this address."""

    code = "not_indextts"


class IndexTTSOtherInstanceError(IndexTTSError):
    """A daemon answers, but not the one that was expected."""

    code = "other_instance"


class IndexTTSIncompatibleError(IndexTTSError):
    """A daemon answers, but speaks another version of the API."""


class IndexTTSTooOldError(IndexTTSIncompatibleError):
    """The daemon's API is older than the one spoken here."""

    code = "daemon_too_old"


class IndexTTSTooNewError(IndexTTSIncompatibleError):
    """The daemon's API is newer than the one spoken here."""

    code = "daemon_too_new"


class IndexTTSAuthError(IndexTTSError):
    """The daemon does not know our token."""

    code = "invalid_token"


class IndexTTSRequestError(IndexTTSError):
    """The daemon refused a request, for the reason that `code` names."""

    def __init__(self, code: str, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message, message=message)
        self.code = code
        self.retry_after_s = retry_after_s


class IndexTTSFailureError(IndexTTSRequestError):
    """The daemon could not do what was asked, and the request was not to blame."""
