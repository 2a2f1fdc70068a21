"""Names of the sample application's people, by origin: given names, family names, and how a full name is written.

A word in a script without Latin letters carries its romanisation for the e-mail address after a slash.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

_NOT_DECOMPOSED = str.maketrans({"ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "ı": "i", "æ": "ae", "đ": "d"})


@dataclass(frozen=True, slots=True)
class Word:
    """One name as it is written, and in the ASCII letters of an e-mail address."""

    written: str
    ascii: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Given and family names that go together. ``pattern`` has the fields ``given`` and ``family``."""

    given: tuple[Word, ...]
    family: tuple[Word, ...]
    pattern: str = "{given} {family}"


def in_ascii(text: str) -> str:
    """Lower case, without accents; letters of other scripts fall out."""
    plain = unicodedata.normalize("NFKD", text.translate(_NOT_DECOMPOSED))
    return plain.lower().encode("ascii", "ignore").decode("ascii")


def _words(text: str) -> tuple[Word, ...]:
    return tuple(_word(entry) for entry in text.split())


def _word(entry: str) -> Word:
    written, _, romanised = entry.partition("/")
    return Word(written, "".join(c for c in in_ascii(romanised or written) if c.isalnum()))


ORIGINS = (
    Origin(
        _words("Grace Oliver Amelia Jack Harriet Noah Imogen Callum Aoife Rhys"),
        _words("Bennett O'Neill Carter Fletcher Hughes Marsh Whitaker D'Arcy Pritchard Shaw"),
    ),
    Origin(
        _words("Jürgen Lena Sören Käthe Matthias Anke Björn Ute Friederike Lukas"),
        _words("Müller Weiß Schröder König Jäger Vogt Böhm Krüger Hoffmann Strauß"),
    ),
    Origin(
        _words("Élodie Benoît Chloé Théo Maëlle Jérôme Agnès Loïc Inès François"),
        _words("Lefèvre Dubois Garçon Noël Perrin Château Girard Béranger Moreau Faure"),
    ),
    Origin(
        _words("Inês João Martín Lucía Íñigo Ana-Belén Gonçalo Núria Andrés Conceição"),
        _words("Duarte Muñoz Peña Simões Ibáñez Araújo Núñez Castaño Gonçalves Ordóñez"),
    ),
    Origin(
        _words("Łukasz Agnieszka Małgorzata Wojciech Zoë Jiří Božena Ondřej Dušan Željka"),
        _words("Kowalska Wiśniewski Dvořák Novotná Čapek Żuraw Horváth Šimić Szabó Kőszegi"),
    ),
    Origin(
        _words("Søren Astrid Åsa Øyvind Þóra Jón Sigríður Pekka Aino Göran"),
        _words("Sørensen Ångström Lindqvist Björk Hämäläinen Østergaard Nygård Virtanen Dahl Åkesson"),
    ),
    Origin(
        _words("Ayşe Çağlar İrem Oğuz Gülşah Şükrü Deniz Emre"),
        _words("Yılmaz Öztürk Çelik Şahin Doğan Kılıç Aydın Güneş"),
    ),
    Origin(
        _words("Дмитрий/dmitri Анна/anna Ольга/olga Сергій/serhii Ірина/iryna Никола/nikola"),
        _words("Иванов/ivanov Шевченко/shevchenko Петренко/petrenko Кравець/kravets Орлов/orlov Коваль/koval"),
    ),
    Origin(
        _words("Νίκος/nikos Ελένη/eleni Γιώργος/giorgos Σοφία/sofia"),
        _words("Παππάς/pappas Γεωργίου/georgiou Οικονόμου/oikonomou Βλάχος/vlachos"),
    ),
    Origin(
        _words("محمد/mohammed فاطمة/fatima ليلى/layla يوسف/yusuf"),
        _words("حداد/haddad خوري/khoury منصور/mansour نجار/najjar"),
    ),
    Origin(
        _words("आरव/aarav प्रिया/priya रोहन/rohan अनन्या/ananya"),
        _words("शर्मा/sharma पटेल/patel गुप्ता/gupta मेहता/mehta"),
    ),
    Origin(
        _words("伟/wei 秀英/xiuying 子涵/zihan 建国/jianguo"),
        _words("王/wang 李/li 陈/chen 欧阳/ouyang"),
        pattern="{family}{given}",
    ),
    Origin(
        _words("陽菜/hina 蓮/ren さくら/sakura 健太/kenta"),
        _words("佐藤/sato 鈴木/suzuki 髙橋/takahashi 渡邉/watanabe"),
        pattern="{family} {given}",
    ),
)

DOMAINS = ("example.org", "example.com", "example.net", "school.example", "college.example", "mail.example")
"""Reserved by RFC 2606: no mail sent by accident reaches anybody."""
