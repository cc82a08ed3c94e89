"""What went wrong, in the words that a user reads."""


def words_of(error: BaseException) -> str:
    """Say what an error is about; one that nobody foresaw says so too."""
    from srseg.errors import SRSegError

    if isinstance(error, SRSegError):
        return str(error)
    if isinstance(error, OSError | MemoryError):
        return str(error) or type(error).__name__
    if type(error).__name__ == "OutOfMemoryError":  # torch's, which need not be loaded for this
        return (
            f"the memory of the GPU is too small, or others use it ({str(error).split('. ')[0]}); "
            "wait for them, use a smaller network, or --device cpu"
        )
    return (
        f"unexpected {type(error).__name__}: {error} (this is a bug in srseg or a plugin; run the "
        "command again as: srseg --debug …, and report the traceback)"
    )
