"""Presidio as the reference, run by the interpreter where it is installed, which is not ours.

Its own recognisers for what it knows (e-mail, telephone, IBAN, card, IP, URL), and the French ones
that anybody would add as patterns with context words; no language model, as on the door. Reads one
JSON text a line; writes one JSON list of `[start, end, kind]` a line, and the seconds it took.
"""

import json
import sys
import time

import tldextract
from presidio_analyzer import AnalyzerEngine, Pattern, PatternRecognizer, RecognizerRegistry
from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine
from presidio_analyzer.predefined_recognizers import (
    CreditCardRecognizer,
    EmailRecognizer,
    IbanRecognizer,
    IpRecognizer,
    PhoneRecognizer,
    UrlRecognizer,
)

FRENCH = {
    "NIR": r"\b[12][ .]?\d{2}[ .]?(?:0[1-9]|1[0-2])[ .]?(?:\d{2}|2[AB])[ .]?\d{3}[ .]?\d{3}"
    r"(?:[ .]?\d{2})?\b",
    "PLATE": r"\b[A-HJ-NP-TV-Z]{2}[ -]?\d{3}[ -]?[A-HJ-NP-TV-Z]{2}\b"
    r"|\b\d{2,4}[ -][A-Z]{2,3}[ -]\d{2}\b",
    "ADDRESS": r"\b\d{1,4}(?: ?(?:bis|ter|[A-D]))?,? "
    r"(?:rue|avenue|boulevard|impasse|chemin|allée|place|route|quai|square) "
    r"(?:(?:de la|de l'|du|des|de) ?)?[\w'’-]+(?: [A-ZÉ][\w'’-]+)*(?:,? \d{5} [A-ZÉ][\w'’-]+)?",
    "DATE_OF_BIRTH": r"(?:(?<=né le )|(?<=née le )|(?<=naissance : ))\d{2}[/.-]\d{2}[/.-]\d{2,4}",
    "HANDLE": r"(?<![\w@.])@\w[\w.-]*",
    "FILE_NUMBER": r"(?i)(?:(?<=dossier )|(?<=plainte )|(?<=n° )|(?<=référence ))"
    r"[A-Z]{0,4}-?\d[\d/-]{5,}",
    "PERSON": r"(?:(?<=M\. )|(?<=Mme )|(?<=Madame )|(?<=Monsieur )|(?<=m'appelle ))"
    r"[A-ZÉ][\w'’-]+(?: [A-ZÉ][\w'’-]+)?",
}


class NoModel(NlpEngine):
    """Presidio asks for tokens and entities; there are none."""

    def load(self) -> None: ...

    def is_loaded(self) -> bool:
        return True

    def process_text(self, text: str, language: str) -> NlpArtifacts:
        return NlpArtifacts([], [], [], [], self, language)

    def process_batch(self, texts, language, **_):  # type: ignore[no-untyped-def]
        for text in texts:
            yield text, self.process_text(text, language)

    def is_stopword(self, word: str, language: str) -> bool:
        return False

    def is_punct(self, word: str, language: str) -> bool:
        return False

    def get_supported_entities(self) -> list[str]:
        return []

    def get_supported_languages(self) -> list[str]:
        return ["fr"]


def main() -> None:
    tldextract.extract = tldextract.TLDExtract(suffix_list_urls=())  # its own list: no network
    registry = RecognizerRegistry(supported_languages=["fr"])
    for recogniser in (
        EmailRecognizer,
        IbanRecognizer,
        CreditCardRecognizer,
        IpRecognizer,
        UrlRecognizer,
    ):
        registry.add_recognizer(recogniser(supported_language="fr"))
    registry.add_recognizer(PhoneRecognizer(supported_language="fr", supported_regions=("FR",)))
    for kind, regex in FRENCH.items():
        pattern = Pattern(kind.lower(), regex, 0.6)
        registry.add_recognizer(
            PatternRecognizer(
                kind, patterns=[pattern], supported_language="fr", global_regex_flags=0
            )
        )
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=NoModel(), supported_languages=["fr"])
    texts = [json.loads(line) for line in sys.stdin]
    start = time.perf_counter()
    answers = [analyzer.analyze(text, language="fr") for text in texts]
    seconds = time.perf_counter() - start
    for found in answers:
        sys.stdout.write(
            json.dumps([(one.start, one.end, one.entity_type) for one in found]) + "\n"
        )
    sys.stdout.write(f"{seconds}\n")


if __name__ == "__main__":
    main()
