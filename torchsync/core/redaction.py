"""Takes what may be a secret out of a text that is about to be read by others. Pure.

No list of forms is complete: this is the last line, behind texts that are made without secrets. It errs on the side of taking too much.
"""

from __future__ import annotations

import re

HIDDEN = "[hidden]"

_NAMES = (
    r"(?:password|passwd|passphrase|(?<![a-z])pwd|[_-]pass|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential|signature|"
    r"(?<![a-z])sig)(?:s|[_-]key)?"
)
_HEADERS = r"(?:proxy-)?authorization|(?:set-)?cookie|x-[a-z0-9-]{0,30}(?:token|key|signature)[a-z0-9-]{0,10}|private-token"
_ADDRESSES = (
    r"hooks\.slack\.com/(?:services|workflows)/|discord(?:app)?\.com/api/webhooks/|api\.telegram\.org/bot|"
    r"webhook\.office\.com/|hc-ping\.com/"
)
_SIGNS = "passw passphrase pwd _pass -pass secret token key credential signature sig"
_COLOR = r"(?:\x1b\[[0-9;]{0,12}m){0,3}"
_VALUE = r"""(?:\\?"[^"\n]*"?|'[^'\n]*'?|[^\s&"'`<>\[\]{}]+)"""

# Each rule begins with words of which one is there, in lower case, wherever it applies: most texts have none of them, and a burst of fires has many
# texts. Every repetition that another one may follow is bounded, so that a text made to cost much costs no more than its length.
_RULES = tuple(
    (signs.split(), re.compile(pattern, re.IGNORECASE | re.DOTALL | re.MULTILINE), kept)
    for signs, pattern, kept in (
        # The whole key; also one whose end is cut off.
        (
            "-----begin",
            r"(-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----).*?(?:-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----|\Z)",
            rf"\1 {HIDDEN}",
        ),
        # One whose beginning is cut off: of a long output only the end is sent, below a line that says so.
        ("-----end", r"\A(\.\.\.[^\n]*\n)?[a-z0-9+/=\s]+(?=-----END [A-Z ]{0,30}PRIVATE KEY)", rf"\1{HIDDEN} "),
        # User and password of a URL (RFC 3986, userinfo), up to the last `@` of its host part: passwords may have some that nobody encoded. What
        # follows a colon and is no port is a password, and nobody encoded its `/` either.
        (
            "://",
            r"\b([a-z][a-z0-9+.-]{0,20}://)(?:[^/?#\s]*@|[^/?#\s:@]{0,100}:(?!\d{1,5}(?:[/?#\s]|\Z))[^\s]{0,200}@)",
            r"\1",
        ),
        # A header of HTTP, to the end of its line, in the forms that curl and git trace.
        (
            "authorization cookie token key signature",
            rf"\b({_HEADERS})(\\?[\"']?\s{{0,8}}[:=]\s{{0,8}})[^\r\n]+",
            rf"\1\2{HIDDEN}",
        ),
        ("basic bearer", r"\b(basic|bearer)( {1,8})[a-z0-9+/=._~-]{8,}", rf"\1\2{HIDDEN}"),
        # A variable, a setting, a form, a query or JSON with such a name. A colon and a blank after a bare name is more often prose.
        (
            _SIGNS,
            rf"({_NAMES})(\\?[\"']?\s{{0,8}}(?::=|=>|=)\s{{0,8}}{_COLOR}|\\?[\"']\s{{0,8}}:\s{{0,8}}|:(?!\s))(?!\s){_VALUE}",
            rf"\1\2{HIDDEN}",
        ),
        # A line of YAML that says nothing else, an element of XML, an option of a command.
        (_SIGNS, rf"(^[ \t-]{{0,40}}[a-z0-9_.-]{{0,30}}{_NAMES}:[ \t]{{1,8}}){_VALUE}(?=[ \t]{{0,8}}(?:#[^\n]*)?$)", rf"\1{HIDDEN}"),
        (_SIGNS, rf"(<[a-z0-9_.:-]{{0,30}}{_NAMES}>)[^<\n]+", rf"\1{HIDDEN}"),
        (_SIGNS, rf"((?:^|\s)--?[a-z0-9-]{{0,30}}{_NAMES}[ \t]{{1,8}})(?!-){_VALUE}", rf"\1{HIDDEN}"),
        ("sshpass", rf"\b(sshpass[ \t]{{1,8}}-p[ \t]{{0,8}}){_VALUE}", rf"\1{HIDDEN}"),
        ("-u --user --proxy-user", rf"((?:^|\s)(?:-u|--(?:proxy-)?user)[ \t=]{{1,8}}[\"']?[^\s:\"']{{1,100}}:){_VALUE}", rf"\1{HIDDEN}"),
        ("passw passphrase", rf"(password|passwd|passphrase)(:\s{{1,8}}){_VALUE}", rf"\1\2{HIDDEN}"),
        # Tokens that show what they are.
        (
            "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- xox sk- npm_ pypi-age eyj",
            r"\b(gh[pousr]_|github_pat_|glpat-|xox[a-z]-|sk-|npm_|pypi-age|eyj(?=[a-z0-9_-]{8,1000}\.))[a-z0-9_.~+/=-]{8,}",
            rf"\1{HIDDEN}",
        ),
        (
            "hooks.slack. /api/webhooks/ api.telegram. webhook.office. hc-ping.",
            rf"\b({_ADDRESSES})[^\s\"'<>]+",
            rf"\1{HIDDEN}",
        ),
    )
)


def redacted(text: str) -> str:
    """The text without passwords and user names in URLs, values of headers that prove who one is, values of settings that are called secrets, private
    keys, and tokens of known forms.
    """
    if text.isalnum():
        return text  # Such as most values of fields; every rule needs a sign.
    lower = text.lower()
    for signs, pattern, kept in _RULES:
        if any(sign in lower for sign in signs):
            text = pattern.sub(kept, text)
    return text
