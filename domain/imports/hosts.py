"""Domains that many share: mail providers and sites that host other people's pages.

Such a domain says nothing of the company that a row gives it to, and never becomes a company's domain.
"""

from typing import Final

_MAIL_PROVIDERS_WORDS: Final = """
126.com 163.com abv.bg aim.com alice.it aol.com arcor.de att.net bellsouth.net bigpond.com
bluewin.ch bol.com.br btinternet.com charter.net chello.at cox.net duck.com earthlink.net
email.com fastmail.com fastmail.fm foxmail.com free.fr freemail.hu freenet.de gmail.com gmx.at
gmx.ch gmx.com gmx.de gmx.net googlemail.com hey.com hotmail.co.uk hotmail.com hotmail.de hotmail.es
hotmail.fr hotmail.it hushmail.com icloud.com inbox.com inbox.lv inbox.ru interia.pl juno.com
laposte.net libero.it list.ru live.co.uk live.com live.de live.fr live.nl mac.com mail.com mail.de
mail.ru mailbox.org me.com msn.com naver.com neuf.fr ntlworld.com o2.pl online.de online.no onet.pl
optonline.net orange.fr outlook.com outlook.de outlook.es outlook.fr pm.me posteo.de proton.me
protonmail.ch protonmail.com qq.com rambler.ru rediffmail.com rocketmail.com sapo.pt sbcglobal.net
seznam.cz sfr.fr shaw.ca sina.com skynet.be sympatico.ca t-online.de talktalk.net telenet.be
telia.com terra.com.br tin.it tiscali.it tuta.com tuta.io tutanota.com uol.com.br verizon.net
virgilio.it virginmedia.com wanadoo.fr web.de windowslive.com wp.pl xtra.co.nz yahoo.ca yahoo.co.in
yahoo.co.jp yahoo.co.uk yahoo.com yahoo.com.au yahoo.com.br yahoo.de yahoo.es yahoo.fr yahoo.it
yandex.com yandex.ru ymail.com ziggo.nl zoho.com zohomail.com
"""
_MAIL_PROVIDERS: Final = frozenset(_MAIL_PROVIDERS_WORDS.split())

_HOSTS_OF_PAGES_WORDS: Final = """
about.me angel.co behance.net bit.ly bloomberg.com blogspot.com business.site carrd.co
crunchbase.com dribbble.com etsy.com facebook.com fb.com g.page github.com github.io glassdoor.com
goo.gl herokuapp.com instagram.com jimdo.com jimdofree.com jimdosite.com linkedin.com linktr.ee
medium.com meetup.com myshopify.com netlify.app notion.site pinterest.com strikingly.com
substack.com t.me tiktok.com tumblr.com twitter.com vercel.app vimeo.com webflow.io weebly.com
wikipedia.org wixsite.com wordpress.com x.com xing.com yelp.com youtube.com
"""
_HOSTS_OF_PAGES: Final = frozenset(_HOSTS_OF_PAGES_WORDS.split())

_OWNERS: Final = _HOSTS_OF_PAGES | _MAIL_PROVIDERS


def is_another(domain: str, name_key: str) -> bool:
    """Whether the domain is a mail provider's or a host of pages, and not the named company's own.

    "LinkedIn" may have linkedin.com, "Acme" may not.
    """
    return domain in _OWNERS and domain.partition(".")[0].replace("-", "") != name_key.replace(" ", "")
