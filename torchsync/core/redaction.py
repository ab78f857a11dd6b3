"""Takes what may be a secret out of a text that is about to be read by others. Pure.

No list of forms is complete: this is the last line, behind texts that are made without secrets. It errs on the side of taking too much.
"""

from __future__ import annotations

import re

HIDDEN = "[hidden]"

_NAMES = (
    r"password|passwd|passphrase|(?<![a-z])pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?|signature|(?<![a-z])sig"
)
_HEADERS = r"(?:proxy-)?authorization|(?:set-)?cookie|x-[a-z0-9-]{0,30}(?:token|key|signature)[a-z0-9-]{0,10}|private-token"
_VALUE = r"""(?:\\?"[^"\n]*"?|'[^'\n]*'?|[^\s&"'`<>\[\]{}]+)"""

# Each rule begins with words of which one is there, in lower case, wherever it applies: most texts have none of them, and a burst of fires has many
# texts. Every repetition that another one may follow is bounded, so that a text made to cost much costs no more than its length.
_RULES = tuple(
    (signs.split(), re.compile(pattern, re.IGNORECASE | re.DOTALL), kept)
    for signs, pattern, kept in (
        # The whole key; also one whose end is cut off.
        (
            "-----begin",
            r"(-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----).*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)",
            rf"\1 {HIDDEN}",
        ),
        # User and password of a URL (RFC 3986, userinfo), up to the last `@` of its host part: passwords may have some that nobody encoded.
        ("://", r"\b([a-z][a-z0-9+.-]{0,20}://)[^/?#\s]*@", r"\1"),
        # A header of HTTP, to the end of its line, in the forms that curl and git trace.
        (
            "authorization cookie token key signature",
            rf"\b({_HEADERS})(\\?[\"']?\s{{0,8}}[:=]\s{{0,8}})[^\r\n]+",
            rf"\1\2{HIDDEN}",
        ),
        ("basic bearer", r"\b(basic|bearer)( {1,8})[a-z0-9+/=._~-]{8,}", rf"\1\2{HIDDEN}"),
        # A variable, a setting, a form, a query or JSON with such a name. A colon and a blank after a bare name is more often prose.
        (
            "passw passphrase pwd secret token key credential signature sig",
            rf"({_NAMES})(\\?[\"']?\s{{0,8}}=\s{{0,8}}|\\?[\"']\s{{0,8}}:\s{{0,8}}|:(?!\s))(?!\s){_VALUE}",
            rf"\1\2{HIDDEN}",
        ),
        ("passw passphrase", rf"(password|passwd|passphrase)(:\s{{1,8}}){_VALUE}", rf"\1\2{HIDDEN}"),
        # Tokens that show what they are.
        (
            "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- xox sk-",
            r"\b(gh[pousr]_|github_pat_|glpat-|xox[a-z]-|sk-)[a-z0-9_.~+/=-]{8,}",
            rf"\1{HIDDEN}",
        ),
        (
            "hooks.slack. /api/webhooks/",
            r"\b(hooks\.slack\.com/(?:services|workflows)/|discord(?:app)?\.com/api/webhooks/)[^\s\"'<>]+",
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
