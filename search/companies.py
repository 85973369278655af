"""Company names as they are compared: without legal form, punctuation and article.

`company_key` decides which two names are one company's ("Deutsche Bank AG" = "deutsche bank"), so it errs on
the careful side: only what is certainly a legal form goes, only from the ends, and never the whole name.
Words that say what a company does or owns (Group, Holdings, Class A) are part of the name.
"""

import re
from functools import lru_cache
from typing import Final

from core.text import fold, tokens

_MAX_LENGTH: Final = 400

# What joins two names; single letters do so only between longer words ("Ortega y Gasset", not "E.ON").
_AND: Final = frozenset({"and", "und", "et", "og", "och"})
_SHORT_AND: Final = frozenset({"y", "e", "i"})

# Legal forms that close a name, folded and with their dots taken out as `_words` does it ("S.p.A." -> "spa",
# "Sp. z o.o." -> "sp zoo", "S.A. de C.V." -> "sa de cv").
_CLOSING: Final = """
inc | incorporated | corp | corporation | co | company | ltd | limited | llc | llp | lp | lllp
pllc | plc | pc | na | public limited company | public limited | limited liability company
limited partnership
limited liability partnership | private limited | private ltd | pte | pty | pvt | proprietary limited
unlimited
ultd | cic | dac | clg | ltee | limitee
gmbh | ggmbh | mbh | ag | kg | kgaa | ohg | gbr | ug | haftungsbeschrankt | haftungsbeschraenkt | ev | eg
partg
partgmbb | ek | ekfr | vvag | aktiengesellschaft | gesellschaft mit beschrankter haftung
kommanditgesellschaft
gesmbh | gesellschaft mbh | se | sce | keg
sa | sa rl | sas | sasu | sarl | eurl | snc | scop | scp | sca | selarl | selas | gie | societe anonyme
societe par actions simplifiee | societe a responsabilite limitee
spa | srl | srls | sapa | scarl | scpa | societa per azioni | societa a responsabilita limitata
sl | slu | sll | sau | sad | sociedad limitada | sociedad anonima | sociedad de responsabilidad limitada
ltda | limitada | eireli | lda | unipessoal | sgps | scrl | sociedade anonima
sab de cv | sapi de cv | sa de cv | s de rl de cv | srl de cv | sc de rl | sab | sapi | saa | sac | eirl | spr
sacs
bv | nv | vof | bvba | cvba | sprl | asbl | vzw | besloten vennootschap | naamloze vennootschap
ab | as | asa | aps | ivs | amba | oy | oyj | ky | ehf | hf | ohf | publ | aktiebolag | aktieselskab
aksjeselskap | osakeyhtio | julkinen osakeyhtio
ou | uab | aktsiaselts | osauhing
doo | dd | ad | dno | jsc | ojsc | pjsc | cjsc | ooo | oao | zao | pao | tov | joint stock company
sp zoo | sp z oo | spzoo | spj | spk | sp j | sp k | spolka akcyjna | spolka z ograniczona odpowiedzialnoscia
spolka jawna | sro | spol sro | zrt | nyrt | kft | bt | kkt | eood | ood | ead
anonim sirketi | limited sirketi | ltd sti | sanayi ve ticaret | san ve tic
kk | gk | yk | kabushiki kaisha | godo kaisha | kabushikikaisha | yugen kaisha
bhd | sdn | berhad | sendirian berhad | tbk | persero | pcl | jscb
fzc | fze | fzco | wll | bsc | qsc | qpsc | saoc | saog | dmcc | sal | sae | epe | ike | ae
"""

# Forms that open a name: "PT Telkom Indonesia", "ООО Ромашка", "AB Volvo". Those that are also the beginning
# of ordinary names (SAS Institute, AS Roma, CV-Library, Pão de Açúcar) are left alone.
_OPENING: Final = """
pt | ooo | oao | zao | ojsc | pjsc | cjsc | jsc | tov | uab | ab | oy | sarl | eurl | sasu | kabushiki kaisha
kabushikikaisha | cong ty tnhh | cong ty co phan | perusahaan perseroan | firma | asbl | vzw
"""

# Written without spaces around them, so they go before the text is transliterated.
_EAST_ASIAN: Final = re.compile(
    r"股份有限公司|有限责任公司|有限責任公司|股份公司|有限公司"
    r"|株式会社|有限会社|合同会社|合資会社|一般社団法人|[(（]株[)）]|[(（]有[)）]|㈱|㈲"
    r"|주식회사|유한회사|[(（]주[)）]|㈜"
)
# S.p.A., J.P. Morgan: the dots join what they stand between, and nothing before it ("Plan B S.A.").
_ABBREVIATION: Final = re.compile(r"\b(?:[a-z]\.)+[a-z]\b\.?")
_FINAL_PARENTHESIS: Final = re.compile(r"^(.*?)\(([^()]*)\)\W*$", re.DOTALL)


def _forms(table: str) -> tuple[frozenset[tuple[str, ...]], int]:
    forms = frozenset(
        tuple(form.split()) for line in table.splitlines() for form in line.split("|") if form.strip()
    )
    return forms, max(map(len, forms))


_CLOSING_FORMS, _LONGEST_CLOSING = _forms(_CLOSING)
_OPENING_FORMS, _LONGEST_OPENING = _forms(_OPENING)


@lru_cache(maxsize=65_536)
def company_key(name: str) -> str:
    """The folded name without its legal form: equal keys mean the same company name.

    A name that is nothing but a legal form ("AG") keeps it; one without any letter keeps its signs.
    """
    name = name[:_MAX_LENGTH]
    words = _words(name)
    if not words:
        return fold(name)
    kept = _strip(words)
    if len(kept) == len(words) and (found := _FINAL_PARENTHESIS.match(name)):
        # "Alphabet Inc. (Class A)": the class is part of the name, the form before it is not.
        head, tail = _words(found[1]), _words(found[2])
        if head and tail:
            kept = _strip(_words(" ".join([*_strip(head), *tail])))
    return " ".join(kept)


def company_tokens(name: str) -> tuple[str, ...]:
    """The words of the key, in order: what a search for the company has to hit."""
    return tuple(company_key(name).split())


def _words(name: str) -> list[str]:
    """Folded words, runs of single characters joined ("A. O. Smith" = "AO Smith"), every "and" the same."""
    if not name.isascii():
        name = _EAST_ASIAN.sub(" ", name) if _EAST_ASIAN.sub("", name).strip() else name
    folded = fold(name).replace("&", " and ").replace("+", " and ")
    if "." in folded:
        folded = _ABBREVIATION.sub(lambda dotted: dotted.group().replace(".", ""), folded)
    words = _joined(tokens(folded))
    return ["and" if word in _AND or _joins(words, place) else word for place, word in enumerate(words)]


def _joins(words: list[str], place: int) -> bool:
    """Whether the single letter in this place is an "and": "Ortega y Gasset", but not "HT & E"."""
    if words[place] not in _SHORT_AND or not 0 < place < len(words) - 1:
        return False
    return all(len(word) > 1 and word not in _AND for word in (words[place - 1], words[place + 1]))


def _joined(words: list[str]) -> list[str]:
    joined: list[str] = []
    in_run = False
    for word in words:
        single = len(word) == 1
        if single and in_run:
            joined[-1] += word
        else:
            joined.append(word)
        in_run = single
    return joined


def _strip(words: list[str]) -> list[str]:
    """Article and legal forms off both ends, as often as there are any, leaving at least one word."""
    kept = words
    while True:
        shorter = _without_end(_without_start(kept))
        if len(shorter) == len(kept):
            return kept
        kept = shorter


def _without_start(words: list[str]) -> list[str]:
    if len(words) > 1 and words[0] in {"the", "and"}:
        return words[1:]
    for length in range(min(_LONGEST_OPENING, len(words) - 1), 0, -1):
        if tuple(words[:length]) in _OPENING_FORMS:
            return words[length:]
    return words


def _without_end(words: list[str]) -> list[str]:
    if len(words) > 1 and words[-1] in {"the", "and"}:
        return words[:-1]
    for length in range(min(_LONGEST_CLOSING, len(words) - 1), 0, -1):
        if tuple(words[-length:]) in _CLOSING_FORMS:
            return words[:-length]
    return words
