"""What searchers type for a title, written by hand: (words, level, function).

These are a searcher's words, not the generator's: most of them occur on no generated card at all.
"""

from typing import NamedTuple


class Phrase(NamedTuple):
    words: str
    level: str
    function: str


def _read(text: str) -> tuple[Phrase, ...]:
    rows = (line.rsplit(None, 1) for line in text.strip().splitlines())
    return tuple(Phrase(words.strip(), *concept.split(":")) for words, concept in rows)


SYNONYMS = _read(
    """
    vice president engineering            vp:engineering
    vp software engineering               vp:engineering
    vice pres of sales                    vp:sales
    vp people                             vp:hr
    vp human resources                    vp:hr
    vice president operations             vp:operations
    vp finance                            vp:finance
    head of people                        head:hr
    head of human resources               head:hr
    sales head                            head:sales
    head of software development          head:engineering
    marketing director                    director:marketing
    dir of marketing                      director:marketing
    director, human resources             director:hr
    people director                       director:hr
    finance director                      director:finance
    director of information technology    director:it
    it director                           director:it
    director software engineering         director:engineering
    director of product management        director:product
    human resources manager               manager:hr
    people manager                        manager:hr
    manager of sales                      manager:sales
    sales mgr                             manager:sales
    project mgr                           manager:projects
    manager project management            manager:projects
    information technology manager        manager:it
    purchasing manager                    manager:purchasing
    procurement mgr                       manager:purchasing
    customer support manager              manager:support
    manufacturing manager                 manager:production
    product mgr                           manager:product
    key account manager                   manager:accounts
    logistics mgr                         manager:logistics
    software developer                    entry:engineering
    programmer                            entry:engineering
    senior software developer             senior:engineering
    sr software engineer                  senior:engineering
    sales rep                             entry:sales
    talent acquisition specialist         entry:recruiting
    purchaser                             entry:purchasing
    business owner                        owner:general
    proprietor                            owner:general
    cofounder                             founder:general
    co founder                            founder:general
    chief executive                       c_suite:general
    managing director                     c_suite:general
    chief finance officer                 c_suite:finance
    chief technical officer               c_suite:engineering
    chief operations officer              c_suite:operations
    chief people officer                  c_suite:hr
    chief marketing officer               c_suite:marketing
    """
)

ACRONYMS = _read(
    """
    ceo             c_suite:general
    cfo             c_suite:finance
    cto             c_suite:engineering
    coo             c_suite:operations
    cmo             c_suite:marketing
    cio             c_suite:it
    chro            c_suite:hr
    cro             c_suite:sales
    cpo             c_suite:product
    ciso            c_suite:security
    vp eng          vp:engineering
    vp hr           vp:hr
    vp ops          vp:operations
    vp it           vp:it
    hr director     director:hr
    it manager      manager:it
    hr mgr          manager:hr
    qa manager      manager:testing
    bdr             entry:bizdev
    r&d director    director:research
    head of r&d     head:research
    head of it      head:it
    pdg             c_suite:general
    daf             c_suite:finance
    drh             c_suite:hr
    dsi             c_suite:it
    fp&a manager    manager:controlling
    """
)

# Language of the words -> what is typed.
LANGUAGES: dict[str, tuple[Phrase, ...]] = {
    "de": _read(
        """
        Vertriebsleiter               head:sales
        Leiter Vertrieb               head:sales
        Leiterin Marketing            head:marketing
        Marketingleiterin             head:marketing
        Personalleiter                head:hr
        Leiter Personal               head:hr
        Einkaufsleiter                head:purchasing
        Produktionsleiter             head:production
        Leiter Softwareentwicklung    head:engineering
        IT-Leiter                     head:it
        Geschäftsführer               c_suite:general
        Geschäftsführerin             c_suite:general
        Finanzvorstand                c_suite:finance
        kaufmännischer Geschäftsführer c_suite:finance
        Inhaber                       owner:general
        Gründerin                     founder:general
        Softwareentwickler            entry:engineering
        Entwickler                    entry:engineering
        Buchhalterin                  entry:accounting
        Einkäufer                     entry:purchasing
        Personalreferentin            entry:hr
        Unternehmensberater           entry:consulting
        Vertriebsmitarbeiter          entry:sales
        Bereichsleiter Vertrieb       vp:sales
        """
    ),
    "fr": _read(
        """
        directeur général             c_suite:general
        directrice financière         c_suite:finance
        directeur technique           c_suite:engineering
        directeur marketing           director:marketing
        directrice des opérations     director:operations
        directeur informatique        director:it
        directeur des ventes          director:sales
        responsable des ventes        manager:sales
        responsable marketing         manager:marketing
        responsable RH                manager:hr
        responsable achats            manager:purchasing
        chef de projet                manager:projects
        développeur                   entry:engineering
        comptable                     entry:accounting
        acheteuse                     entry:purchasing
        commerciale                   entry:sales
        fondatrice                    founder:general
        vice-président des ventes     vp:sales
        """
    ),
    "es": _read(
        """
        director general              c_suite:general
        directora financiera          c_suite:finance
        director de ventas            director:sales
        directora de marketing        director:marketing
        director de operaciones       director:operations
        gerente de ventas             manager:sales
        gerente de proyectos          manager:projects
        gerente de RRHH               manager:hr
        jefa de compras               head:purchasing
        jefe de ventas                head:sales
        ingeniero de software         entry:engineering
        desarrolladora                entry:engineering
        contable                      entry:accounting
        comprador                     entry:purchasing
        propietario                   owner:general
        fundadora                     founder:general
        vicepresidenta de ventas      vp:sales
        """
    ),
    "en": _read(
        """
        sales manager                 manager:sales
        cfo                           c_suite:finance
        ceo                           c_suite:general
        software engineer             entry:engineering
        director of marketing         director:marketing
        sales director                director:sales
        accountant                    entry:accounting
        buyer                         entry:purchasing
        founder                       founder:general
        owner                         owner:general
        project manager               manager:projects
        head of sales                 head:sales
        """
    ),
}
