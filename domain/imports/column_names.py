"""What the columns of people's files are called: the words for each field, in four languages and six exports.

The first words of a field are its own name; among several columns of a file that fit one field, the
earlier word wins. Words are compared folded, without marks and spaces ("E-Mail", "e_mail" and "Email"
are one).
"""

import re
from typing import Final, Literal

from core.text import fold

Entity = Literal["contacts", "organizations", "employment"]

_SQUEEZE = re.compile(r"[^a-z0-9#%]+")


def header_key(header: str) -> str:
    """The form in which headers are compared: "E-Mail (geschäftlich)" -> "emailgeschaftlich"."""
    return _SQUEEZE.sub("", fold(header))


_PLACE: Final = {
    "city": (
        "city|town|hq city|headquarters city|company city|person city|contact city|mailing city|"
        "billing city|stadt|ort|wohnort|standort stadt|ville|commune|ciudad|localidad|municipio|citta|"
        "stad|plaats|city name|locality|city/town|geo city|primary city"
    ),
    "region": (
        "region|state|state/region|state/province|state or province|state code|province|county|hq state|"
        "hq region|headquarters state|headquarters region|company state|person state|contact state|"
        "mailing state|billing state|mailing state/province|billing state/province|company state/region|"
        "bundesland|kanton|canton|departement|etat|estado|provincia|comunidad autonoma|"
        "administrative area|federal state|geo region|us state"
    ),
    "country": (
        "country|country code|country/region|country name|hq country|headquarters country|"
        "company country|person country|contact country|mailing country|billing country|"
        "company country/region|land|staat|ländercode|pays|pais|paese|nation|country iso|iso country|"
        "geo country|country/territory|domicile"
    ),
    "location": (
        "location|headquarters location|headquarters|hq|hq location|person location|company location|"
        "headquarters regions|standort|sitz|firmensitz|hauptsitz|unternehmenssitz|siege|siege social|"
        "localisation|lieu|ubicacion|sede|sede social|based in|place|geography|metro|metro area|"
        "location name|geo|city/state|city state|city and state|area|current location|lives in"
    ),
    "latitude": "latitude|lat|breitengrad|geo lat|latitud",
    "longitude": "longitude|lon|lng|long|längengrad|geo lon|geo lng|longitud",
}

_CONTACTS: Final = {
    "id": (
        "id|contact id|person id|record id|source id|external id|key|lead id|zoominfo contact id|"
        "apollo contact id|apollo id|salesforce id|crm id|kontakt id|unique id|uuid|user id|member id|"
        "contact key|source key"
    ),
    "first_name": (
        "first name|firstname|given name|forename|first|vorname|prenom|nombre|nombre de pila|nome|"
        "voornaam|fname|contact first name|person first name|given names|name first"
    ),
    "middle_name": (
        "middle name|middlename|middle names|middle initial|middle|zweiter vorname|zweitname|"
        "deuxieme prenom|segundo nombre|additional name|mi|second name"
    ),
    "last_name": (
        "last name|lastname|surname|family name|last|nachname|familienname|zuname|nom|nom de famille|"
        "apellido|apellidos|cognome|achternaam|lname|contact last name|person last name|name last"
    ),
    "full_name": (
        "full name|fullname|name|contact name|person name|contact|display name|person|lead name|"
        "vollständiger name|ansprechpartner|nom complet|nombre completo|nombre y apellidos|"
        "employee name|kontakt|kontaktname|vor- und nachname|name and surname|prospect name|"
        "contact full name|full name (first last)"
    ),
    "suffix": "suffix|name suffix|generational suffix|namenszusatz|suffixe|sufijo",
    "email": (
        "email|email address|e-mail|e-mail address|mail|work email|business email|corporate email|"
        "primary email|e-mail-adresse|mailadresse|emailadresse|geschäftliche e-mail|e-mail geschäftlich|"
        "email professionnel|adresse e-mail|adresse email|courriel|mel|correo|correo electronico|"
        "email 1|email1|e-mail 1|indirizzo email|contact email|person email|email id|e-mail 1 - value|"
        "email addresses|work e-mail|verified email|private email|personal email|secondary email|"
        "email 2|other email|home email|supplemental email"
    ),
    "email_status": (
        "email status|e-mail status|email verification status|email validity|email validation|"
        "email confidence status|e-mail-status|statut email|estado email|email deliverability|"
        "email verification|verification status|email quality|zerobounce status|neverbounce status"
    ),
    "email_verified_at": (
        "email verified at|email verified on|email last verified at|email last verified|"
        "last verified at|primary email last verified at|e-mail geprüft am|email verification date|"
        "verified at"
    ),
    "phone": (
        "phone|phone number|direct phone|direct phone number|work phone|business phone|direct dial|"
        "work direct phone|office phone|telephone|telephone number|tel|telefon|telefonnummer|rufnummer|"
        "tel.|tel. nr.|telefon geschäftlich|durchwahl|telephone professionnel|numero de telephone|"
        "telefono|numero de telefono|telefoonnummer|phone 1|contact phone|primary phone|mobile|"
        "mobile phone|mobile phone number|mobile number|cell|cell phone|handy|handynummer|mobiltelefon|"
        "mobil|portable|tel. portable|movil|telefono movil|cellulare|phone 1 - value|home phone|"
        "other phone|phone 2|corporate phone|company phone|company phone number"
    ),
    "linkedin_url": (
        "linkedin url|linkedin|linkedin profile|linkedin profile url|person linkedin url|linkedin link|"
        "contact linkedin url|linkedin contact profile url|linkedin public url|profile url|"
        "public profile url|linkedin_profile|linkedin profil|profil linkedin|perfil linkedin|"
        "perfil de linkedin|linkedin member url|url linkedin|url|linkedin bio|hs linkedin url"
    ),
    "title": (
        "title|job title|jobtitle|position|role|job|occupation|function title|headline|current title|"
        "current position|berufsbezeichnung|positionsbezeichnung|stelle|stellenbezeichnung|jobtitel|"
        "funktion|poste|fonction|intitule du poste|titre|cargo|puesto|titulo|qualifica|functie|"
        "contact title|person title|job function title|designation|current job title|titel"
    ),
    "position_started_on": (
        "position started on|position start date|job start date|role start date|start date|started on|"
        "job started on|in position since|in role since|in position seit|seit|date de debut|"
        "fecha de inicio|current position start date|eintrittsdatum|connected position since"
    ),
    "company": (
        "company|company name|organization|organisation|organization name|account name|account|employer|"
        "current company|current employer|current company name|firma|firmenname|unternehmen|"
        "unternehmensname|arbeitgeber|entreprise|societe|nom de l'entreprise|nom de la societe|"
        "raison sociale|employeur|empresa|nombre de la empresa|compania|azienda|bedrijf|bedrijfsnaam|"
        "company name for emails|associated company|organization 1 - name|workplace|employer name|"
        "company / account|primary company"
    ),
    "company_id": (
        "company id|organization id|organisation id|account id|zoominfo company id|apollo account id|"
        "associated company id|firma id|firmen id|company key|organization key|company record id"
    ),
    "company_domain": (
        "company domain|company domain name|organization domain|account domain|domain|domain name|"
        "email domain|firmendomain|company website domain|company email domain|"
        "associated company domain"
    ),
    "company_website": (
        "company website|website|company url|organization website|account website|web site|"
        "company web site|company homepage|webseite|firmenwebsite|internetseite|homepage|site web|"
        "site internet|sitio web|pagina web|corporate website|website url|company website url|web|"
        "employer website"
    ),
    "last_refreshed": (
        "last refreshed|last refreshed at|last updated|updated at|last updated at|last modified|"
        "last modified date|modified at|updated|update date|last update|aktualisiert am|"
        "zuletzt aktualisiert|letzte änderung|geändert am|mis a jour le|date de mise a jour|"
        "fecha de actualizacion|ultima actualizacion|record updated at|last verified|as of"
    ),
}

_ORGANIZATIONS: Final = {
    "id": (
        "id|organization id|company id|account id|record id|source id|external id|key|symbol|ticker|"
        "ticker symbol|stock symbol|zoominfo company id|apollo account id|salesforce id|crm id|uuid|"
        "cb id|unique id|duns|duns number|d-u-n-s number|firmen id|firma id|kundennummer|siren|siret|"
        "company number|registration number|company key|organization key|source key|cik"
    ),
    "name": (
        "name|company name|company|organization name|organization|organisation|organisation name|"
        "account name|account|security|security name|issuer|issuer name|legal name|business name|firm|"
        "firm name|firma|firmenname|unternehmen|unternehmensname|entreprise|societe|raison sociale|"
        "denomination|nom|nom de l'entreprise|empresa|nombre|nombre de la empresa|razon social|compania|"
        "azienda|ragione sociale|bedrijf|bedrijfsnaam|company name for emails|display name|"
        "nom commercial"
    ),
    "aliases": (
        "aliases|alias|also known as|aka|other names|former names|former name|alternative names|"
        "alternate names|trade names|trading name|dba|doing business as|previous name|previous names|"
        "weitere namen|auch bekannt als|früherer name|autres noms|otros nombres|legal entity name|"
        "short name"
    ),
    "website": (
        "website|web site|company website|website url|homepage|homepage url|url|company url|web|"
        "web address|webseite|internetseite|internet|internetadresse|site web|site internet|site|"
        "sitio web|pagina web|sito web|organization website|corporate website|account website"
    ),
    "domain": (
        "domain|domain name|company domain|company domain name|primary domain|web domain|root domain|"
        "organization domain|email domain|firmendomain|internet domain|website domain"
    ),
    "linkedin_url": (
        "linkedin url|linkedin|company linkedin url|linkedin company url|company linkedin|linkedin page|"
        "company linkedin profile url|linkedin company profile url|linkedin company page|linkedin link|"
        "linkedin profile url|url linkedin|linkedin profile|organization linkedin url|linkedin bio"
    ),
    "phone": (
        "phone|phone number|company phone|company phone number|corporate phone|main phone|"
        "headquarters phone|hq phone|contact number|telephone|telephone number|tel|telefon|"
        "telefonnummer|zentrale|numero de telephone|telefono|numero de telefono|company hq phone|"
        "switchboard|general phone|main number|organization phone"
    ),
    "industry": (
        "industry|primary industry|sub-industry|sub industry|gics sub-industry|linkedin industry|"
        "industry name|branche|branchen|wirtschaftszweig|secteur d'activite|secteur|sector de actividad|"
        "settore|primary sub-industry|industries|company industry|gics industry|industry group|"
        "gics industry group|industry groups|industry category|sub-sector|gics sector|sector|category|"
        "business sector|vertical|all industries|all sub-industries"
    ),
    "naics": "naics|naics code|naics codes|primary naics|primary naics code|naics 1|naics code 1|naics_code",
    "employees": (
        "employees|number of employees|# employees|#employees|employee count|num employees|"
        "no. of employees|headcount|company headcount|estimated num employees|company size|size|"
        "employee range|employees range|number of employees range|total employees|staff|staff count|"
        "company employee count|full time employees|fulltime employees|mitarbeiter|mitarbeiterzahl|"
        "anzahl mitarbeiter|mitarbeiteranzahl|unternehmensgröße|beschäftigte|nombre d'employes|effectif|"
        "effectifs|nombre de salaries|salaries|tranche d'effectif|taille de l'entreprise|empleados|"
        "numero de empleados|n.º de empleados|plantilla|dipendenti|medewerkers|aantal medewerkers|"
        "company size range|linkedin employees|employee size|number employees|size range|"
        "organization size"
    ),
    "revenue": (
        "revenue|annual revenue|annual revenue (usd)|estimated revenue|revenue range|"
        "estimated revenue range|revenue (in 000s usd)|revenue range (in usd)|total revenue|"
        "company revenue|sales|annual sales|turnover|annual turnover|umsatz|jahresumsatz|umsatz in eur|"
        "chiffre d'affaires|ca|chiffre d'affaires annuel|ingresos|ingresos anuales|facturacion|"
        "fatturato|omzet|sales revenue|revenues|organization revenue"
    ),
    "technologies": (
        "technologies|technology|tech stack|techstack|technologies used|web technologies|technographics|"
        "technologien|eingesetzte technologien|tecnologias|tools|company technologies"
    ),
    "keywords": (
        "keywords|tags|keyword|specialties|specialities|stichworte|stichwörter|schlagworte|schlagwörter|"
        "mots-cles|mots cles|palabras clave|company keywords|seo keywords|industry keywords|topics"
    ),
    "funding_stage": (
        "funding stage|last funding type|latest funding stage|latest funding|last funding stage|"
        "funding type|last funding round|last funding round type|funding status stage|"
        "finanzierungsphase|latest funding type|investment stage|stage"
    ),
    "funding_amount": (
        "funding amount|total funding amount currency (in usd)|total funding amount (in usd)|"
        "total funding|total funding amount|last funding amount|latest funding amount|"
        "last funding amount (in usd)|total money raised|money raised|funding total usd|funding|"
        "finanzierungssumme|amount raised|last equity funding amount (in usd)"
    ),
    "funding_date": (
        "funding date|last funding date|latest funding date|last raised at|last funding at|"
        "last funding on|last round date|recent funding date|finanzierungsdatum|date of last funding"
    ),
    "founded": (
        "founded|founded year|year founded|founding year|founding date|founded date|founded on|"
        "established|year established|gründungsjahr|gegründet|gründung|gegründet am|annee de creation|"
        "date de creation|annee de fondation|fundada|ano de fundacion|fundacion|anno di fondazione|"
        "opgericht|incorporated|inception year|company founded year|year of foundation|foundation year"
    ),
    "description": (
        "description|short description|company description|about|about us|summary|overview|"
        "full description|seo description|beschreibung|kurzbeschreibung|descriptif|descripcion|"
        "descrizione|business description|organization description|profile|company overview"
    ),
    "last_refreshed": _CONTACTS["last_refreshed"],
}

_EMPLOYMENT: Final = {
    "contact_id": (
        "contact id|person id|id|record id|contact key|person key|lead id|member id|key|external id|"
        "source id|zoominfo contact id|apollo contact id|contact record id|kontakt id|uuid|source key|"
        "user id"
    ),
    "contact_email": (
        "contact email|email|email address|e-mail|person email|e-mail-adresse|correo electronico|work email"
    ),
    "contact_linkedin_url": (
        "contact linkedin url|linkedin url|linkedin|person linkedin url|linkedin profile|profile url|"
        "linkedin profile url"
    ),
    "company": _CONTACTS["company"]
    + "|name of employer|employer / company|past company|former employer|previous company",
    "company_id": _CONTACTS["company_id"],
    "company_domain": _CONTACTS["company_domain"],
    "company_website": _CONTACTS["company_website"],
    "title": _CONTACTS["title"] + "|past title|former title|position title|role title",
    "start_date": (
        "start date|started on|start|from|begin|begin date|since|date from|beginn|startdatum|von|seit|"
        "date de debut|debut|fecha de inicio|inicio|desde|data inizio|begindatum|joined|joined on|"
        "date joined|employment start date|position start date|started|start month|term start|"
        "valid from"
    ),
    "end_date": (
        "end date|ended on|finished on|end|to|until|date to|ende|enddatum|bis|date de fin|fin|"
        "fecha de fin|hasta|data fine|einddatum|left|left on|date left|employment end date|"
        "position end date|finished|ended|end month|term end|valid to|through"
    ),
}

# Said of a person's row these are the employer's places, not the person's.
_COMPANY_PLACE: Final = (
    "company",
    "hq",
    "headquarters",
    "billing",
    "firmensitz",
    "hauptsitz",
    "siege",
    "sede",
)
_PERSON_PLACE: Final = {
    name: "|".join(word for word in words.split("|") if not word.startswith(_COMPANY_PLACE))
    for name, words in _PLACE.items()
}
# Postal addresses: a place to those who give no other.
_ADDRESS_WORDS: Final = (
    "address|full address|postal address|mailing address|company address|hq address|adresse|anschrift|"
    "direccion|indirizzo|street address|headquarters address|adresse complete|contact address|"
    "business address"
)
ADDRESSES: Final = frozenset(map(header_key, _ADDRESS_WORDS.split("|")))


def _compared(table: dict[str, str]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(dict.fromkeys(map(header_key, words.split("|")))) for name, words in table.items()}


WORDS: Final[dict[Entity, dict[str, tuple[str, ...]]]] = {
    "contacts": _compared(_CONTACTS | _PERSON_PLACE),
    "organizations": _compared(_ORGANIZATIONS | _PLACE),
    "employment": _compared(_EMPLOYMENT),
}

# Fields whose further columns add to the first; of any other field a further column stands in where the
# first is empty.
LISTS: Final = frozenset({"industry", "aliases", "technologies", "keywords"})

# Fields that only make sense once: a second column of such a name is somebody else's business.
_SINGLE_WORDS: Final = """
    id name first_name middle_name last_name full_name suffix contact_id company company_id latitude longitude
    description last_refreshed email_status email_verified_at start_date end_date founded funding_stage
    funding_amount funding_date position_started_on naics title
"""
SINGLE: Final = frozenset(_SINGLE_WORDS.split())

# Words that tell the language of a header; words that several languages share are not among them.
LANGUAGE_WORDS: Final = {
    "de": (
        "vorname|nachname|firma|unternehmen|strasse|straße|plz|ort|land|telefon|telefonnummer|umsatz|"
        "mitarbeiter|branche|anrede|stadt|bundesland|gründungsjahr|webseite|beschreibung|"
        "ansprechpartner|gegründet|firmenname|mitarbeiterzahl|jahresumsatz|e-mail-adresse|kundennummer|"
        "postleitzahl|hausnummer|funktion|berufsbezeichnung|stichworte|handy|mobil|anzahl mitarbeiter|"
        "standort|beginn|ende|von|bis|seit|name der firma"
    ),
    "fr": (
        "prenom|nom|entreprise|societe|ville|pays|telephone|chiffre d'affaires|effectif|secteur|adresse|"
        "code postal|poste|fonction|courriel|civilite|raison sociale|date de debut|date de fin|site web|"
        "nombre d'employes|annee de creation|secteur d'activite|departement|salaries"
    ),
    "es": (
        "nombre|apellido|apellidos|empresa|ciudad|pais|telefono|ingresos|empleados|correo|"
        "correo electronico|cargo|puesto|provincia|codigo postal|sitio web|fecha de inicio|fecha de fin|"
        "numero de empleados|facturacion|direccion|fundada|descripcion|estado"
    ),
}
LANGUAGES: Final = {
    language: frozenset(map(header_key, words.split("|"))) for language, words in LANGUAGE_WORDS.items()
}
_ENGLISH_WORDS: Final = (
    "first name|last name|company|company name|name|employees|revenue|country|state|city|phone|website|"
    "founded|title|job title|start date|end date|number of employees|industry|address|description|"
    "location|annual revenue|keywords|technologies|headquarters location|security|full name|"
    "email address|company size"
)
ENGLISH: Final = frozenset(map(header_key, _ENGLISH_WORDS.split("|")))
