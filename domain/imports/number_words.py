"""The words and signs by which people write scales and currencies."""

from typing import Final

_SCALE_WORDS: Final = {
    1_000: "k t tsd thousand thousands tausend mil mille",
    100_000: "lakh lakhs lac",
    1_000_000: (
        "m mm mn mln mio million millions millionen mill millones millon milliones milioni milione "
        "milhoes milhao"
    ),
    10_000_000: "crore crores cr",
    1_000_000_000: (
        "b bn bln billion billions bi bilhoes md mds mrd milliarde milliarden milliard milliards "
        "miliardi miliardo"
    ),
    1_000_000_000_000: "tn trillion trillions billionen",
}
SCALES: Final = {word: scale for scale, words in _SCALE_WORDS.items() for word in words.split()}

_CURRENCY_WORDS: Final = {
    "USD": "$ us$ usd dollar dollars",
    "EUR": "€ eur euro euros",
    "GBP": "£ gbp pound pounds",
    "JPY": "¥ jpy yen 円",
    "CNY": "cn¥ rmb cny yuan 元",
    "AUD": "a$ au$",
    "CAD": "c$ ca$",
    "NZD": "nz$",
    "HKD": "hk$",
    "SGD": "s$",
    "TWD": "nt$",
    "BRL": "r$ reais",
    "INR": "₹ rs",
    "KRW": "₩",
    "ILS": "₪",
    "RUB": "₽",
    "TRY": "₺",
    "PLN": "zł zl",
    "CZK": "kč",
    "CHF": "fr sfr franken",
    "MXN": "mx$",
    "NGN": "₦",
    "PHP": "₱",
    "THB": "฿",
    "VND": "₫",
    "UAH": "₴",
}
CURRENCIES: Final = {word: code for code, words in _CURRENCY_WORDS.items() for word in words.split()}

_ISO_4217: Final = """
    AED ARS AUD BDT BGN BHD BRL CAD CHF CLP CNY COP CRC CZK DKK EGP EUR GBP GEL GHS HKD HUF IDR ILS
    INR ISK JOD JPY KES KRW KWD KZT LKR MAD MXN MYR NGN NOK NZD OMR PEN PHP PKR PLN QAR RON RSD RUB
    SAR SEK SGD THB TND TRY TWD TZS UAH UGX USD UYU UZS VND XAF XOF ZAR
"""
ISO_CURRENCIES: Final = frozenset(_ISO_4217.split())
