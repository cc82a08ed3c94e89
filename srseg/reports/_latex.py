"""Text for LaTeX, with every special character escaped."""

_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$",
    "#": r"\#", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "µ": r"\textmu{}", "²": r"\textsuperscript{2}", "³": r"\textsuperscript{3}",
    "×": r"$\times$", "–": "--", "\n": " ",
}  # fmt: skip


def escape_latex(text: str) -> str:
    r"""Escape a text for LaTeX.

    Parameters
    ----------
    text : str
        Any text; line breaks become spaces.

    Returns
    -------
    str
        What LaTeX prints as that text.

    Examples
    --------
    >>> print(escape_latex("bone_1 [%]"))
    bone\_1 [\%]
    """
    return "".join(_LATEX.get(letter, letter) for letter in text)
