"""The sample application's password hashes: real bcrypt, made beforehand, so that the program needs no bcrypt itself.

The password of the hash at index 0 is ``demo-password-01``, and so on; they guard nothing but the sample.
"""

from __future__ import annotations

HASHES = (
    "$2b$04$mPyajy43jOH19Xu08DXV5udk5Gfuz7k98/7bvzURAmvgfoq1qAuBi",
    "$2b$05$WzoZlBhhXZGWuWTzlz0/4uEaToKS5Z7qvbcz3KshUa7GkvB805wBW",
    "$2b$04$0G32KsU4GQImYC8EIQbhseISnUWiFKL7nqBcQ2NQTR4R4lVa.u/hS",
    "$2b$05$vm//b0bONRuh57Zgp.ieD.xexUOOsz/.YIx2v.WHktd.TuVTizawq",
    "$2a$04$XklgrEoCqf.TTmHUbTMdw.D2NAU4zfDxFqsXhmVZgZbTtzuAndMcO",
    "$2b$05$ctmHgls9ljCcGkaAubNokOEhlJsBLRIUJX9CRiEoi0a4TcG0jRGCW",
    "$2b$08$/7vUyWClUioyAQX4aKOAuOFfGjhnadlGgs6p/T4RRCcU8jgpZlpO6",
    "$2b$05$z09W8jABEEq4ioQloDvVfugOh6zwJmYFoS2VzbqanPrvMlz0sLkje",
    "$2b$04$F3gk8KDrcF/cWXQj10RlbONP7NzeQQlfX1IsPd15PHtUvJiBNRzfq",
    "$2a$05$D7uGhL98CEsOwwSoieOGUeHtRp5ZPeyBMMs/KKambI.5nheSOPAZ.",
    "$2b$04$dqpkpHAFVF3egziCofH4JeplnPVObB9t.3x9uU5Qc.cumI9tYilTu",
    "$2b$05$UH6GOND57cHUZ7REA1q9c.XPEtUChWnpg3eNdFhJi6SJkUoIoIkQi",
    "$2b$04$.qT68gpFBsmXSPZHvfHYFuwagdCBO15689Gr1DGdwVHAIsbLtKqtC",
    "$2b$10$7CBuyT5HpLb45tjQHiheZOSvvdA183wMuC1kOyT.0fZDKwhGmXPnO",
    "$2a$04$qFsA5F5Yqe0WkX88U65/9uEbogBdmOTiHp7Rbeswi87LQL5ofzeQq",
    "$2b$05$fQ5I8Lz35LOIZY9N2eXMruLHA8oZIRtVlRwIUiuZSGpRxB1Wv5aWy",
    "$2b$04$GL0dfoUwqkAojrzMC88wH.9hQiySzDJZtS2GO22KG9/96b.E2vukO",
    "$2b$05$Dyi8ezW3tqCmhejEezp.lOzOoQ4eqi2MwuYCyGDZqHTw1/U98/1U.",
    "$2b$04$jusufzPE5/ucd0UjX36//OJ16Vb8/myMHMEPyoeV8NPTh1xtRpoZ2",
    "$2a$05$QjKEUa9HK5KERu9W4r0zt./0Wl.0fsHggCPX55ta1Q4MvjmCngGdu",
)
"""Costs 4 to 10, prefixes ``$2a$`` and ``$2b$``, 60 characters each."""


def password(index: int) -> str:
    """The password that ``HASHES[index]`` was made from."""
    return f"demo-password-{index + 1:02}"
