"""Words whose dot ends no sentence even before a capital letter, by language."""


def _words(spaced: str) -> frozenset[str]:
    return frozenset(spaced.split())


ABBREVIATIONS = {
    "en": _words("dr mr mrs ms prof st e.g i.e vs approx jan feb aug sept oct nov dec"),
    "de": _words(
        "dr prof hr fr st str z.b d.h u.a o.ä v.a ca bzw inkl exkl zzgl evtl ggf vgl sog max min"
        " jan feb aug sept okt nov dez mo di do sa"
    ),
    "fr": _words("dr mme mlle mm st ste p.ex ex c.-à-d env av bd janv févr juil sept"),
    "es": _words("dr dra sr sra srta d.ª ud uds p.ej ej aprox av avda núm pág"),
    "it": _words("dott dr sig sigg sig.ra sig.na ing avv prof p.es es ca ecc"),
    "nl": _words("dr dhr mevr mw prof bijv d.w.z i.p.v ca"),
    "pt": _words("dr dra sr sra prof p.ex ex aprox av"),
}
BEFORE_NUMBERS = _words("no nr núm n art abs p pp s pag pág fig vol kap ch cap tel")
ORDINAL_LANGUAGES = _words("cs da de et fi hr hu lb nb no pl sk sl sr")  # "3. Mai"
