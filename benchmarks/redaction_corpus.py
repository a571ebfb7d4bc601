"""French messages to a police force, invented, whose personal data are known by construction.

Three families that share no sentence: letters (reviews and requests), reports (complaints and
forms), talk (chats and networks). About two messages in five bear nothing personal, and most of
those bear a trap. Names come half from registers of common ones, half made of syllables or rare.
"""

import random
import re
import string
import unicodedata
from typing import NamedTuple

from stdnum import luhn


def _list(words: str, between: str | None = None) -> list[str]:
    return words.split(between)


class Span(NamedTuple):
    start: int
    end: int
    kind: str


class Message(NamedTuple):
    text: str
    spans: tuple[Span, ...]


FIRST = _list(
    """
Camille Mathilde Kévin Océane Jérôme Hélène Mohamed Fatoumata Aïcha Thierry Sandrine Lucas
Inès Nathalie Stéphanie Rachid Karim Yasmine Jean-Pierre Marie-Claude Anne-Sophie
Jean-Baptiste Louis Gabriel Emma Jade Louise Raphaël Léo Arthur Noé Chloé Manon Sarah Zoé
Eva Tiphaine Gwenaëlle Maëlys Loïc Yannick Erwan Ghislaine Solange Bernadette Gérard René
André Marcel Josette Ginette Monique Colette Odile Huguette Roger Lucien Kouamé Aminata
Mamadou Ousmane Djibril Khadija Samira Nordine Abdelkader Mehdi Sofiane Bilal Wassim Ilyes
Linh Thanh Mei Sergio Giulia Paolo Ana João Agnieszka Piotr Svetlana Dimitri Vaihere
Heimana Tehani Moana Rose Pierre Claire Marine Florence Victoire Violette Blanche Aurore
Olive Constance Clémence Lorraine Romain Clément Aimé Désiré Valentin Vincent Martin
Pascal Dominique Iris Ambre Nora Théo Enzo Nathan Hugo Élodie Cécile Benoît François
Françoise Frédéric Béatrice Geneviève Xiomara Ysoline Thyméo Kelyna Oleksandr Ngozi
Siobhan Zdenka Eluan Maïwen-Lou Jovanka Tchalla
"""
)
LAST = _list(
    """
Dupont Martin Bernard Durand Petit Moreau Lefebvre Leroy Roux Garnier Faure Rousseau Blanc
Guérin Boyer Chevalier François Mercier Lambert Boulanger Marchand Fontaine Lemoine Perrot
Le-Goff Le-Bihan De-La-Tour De-Villiers D'Almeida N'Diaye O'Connor Da-Silva Dos-Santos
Ben-Salah El-Amrani Van-Damme Traoré Diallo Coulibaly Benali Haddad Nguyen Tran Kowalski
Popescu Ferreira Rossi Muller Schmitt Hoarau Payet Grondin Teriierooiterai Kaddour
Ait-Ahmed Okonkwo Yilmaz Petrossian Ivanovic Etcheverry Casanova Quéméner Abgrall
"""
)
_SYLLABLES = (
    _list(
        """
Bar Cha Del Four Gran Hau Lan Mon Per Quin Ros Sau Ver Vil Tré Pré Mar Cor Bel Bou Cas Dor
"""
    ),
    _list(
        """
ba che di gue ri lo ma ne pe ra so ta ve lli sse tte
"""
    ),
    _list(
        """
nier rand let tin lard ville mont court court rac gnac zac rel chon deau veau quet ski
sian
"""
    ),
)
_INVENTED = (
    _list(
        """
Ky Lo Ma The Ze Ay Ne Ja Shy Ti Ra So
"""
    ),
    ["la", "li", "no", "ri", "ve", "zya", "mé", "lou"],
    _list(
        """
na lya nn lys ana ël o sha is wen
"""
    ),
)
TOWNS = _list(
    """
Rennes Gap Saint-Denis Villeurbanne Lons-le-Saunier Brive-la-Gaillarde Le-Mans Bordeaux
Lille Fort-de-France Saint-Pierre Château-Thierry Nîmes Aix-en-Provence Quimper
"""
)
STREETS = _list(
    "de la République|des Lilas|du Général de Gaulle|Victor Hugo|du 8 mai 1945|Jean "
    "Jaurès|des Acacias|de l'Église|du Vieux Moulin|Pasteur|des Trois Fontaines|Albert "
    "Camus|de la Gare|Saint-Michel",
    "|",
)
WAYS = _list(
    """
rue avenue boulevard impasse chemin allée place route quai square
"""
)


def _spaced(name: str) -> str:
    """« Le-Goff » is listed in one word, and written in two."""
    return re.sub(
        r"^(Le|De-La|De|Da|Dos|Ben|El|Van|Ait)-", lambda m: m[1].replace("-", " ") + " ", name
    )


class Writer:
    """What invents one message after the other."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)  # noqa: S311 – a corpus that can be drawn again

    def digits(self, count: int) -> str:
        return "".join(self.rng.choices(string.digits, k=count))

    def pick(self, *choices: str) -> str:
        return self.rng.choice(choices)

    def grouped(self, text: str, size: int, between: str) -> str:
        return between.join(text[at : at + size] for at in range(0, len(text), size))

    # --- data

    def first(self) -> str:
        if self.rng.random() < 0.08:  # as parents invent them, or from elsewhere: on no list
            return "".join(map(self.rng.choice, _INVENTED))
        return self.rng.choice(FIRST)

    def last(self) -> str:
        if self.rng.random() < 0.4:
            return "".join(map(self.rng.choice, _SYLLABLES))
        return _spaced(self.rng.choice(LAST))

    def telephone(self) -> str:
        number = "0" + self.pick(*"12345679666777") + self.digits(8)
        pairs = [number[at : at + 2] for at in range(0, 10, 2)]
        return self.pick(
            number,
            *(sep.join(pairs) for sep in (" ", ".", "-", "/", "\u00a0", " . ")),
            f"+33 {number[1]} {' '.join(pairs[1:])}",
            f"+33{number[1:]}",
            f"+33 (0){number[1]} {' '.join(pairs[1:])}",
            f"0033 {number[1]} {' '.join(pairs[1:])}",
            f"0033{number[1:]}",
            f"{number[:4]} {number[4:7]} {number[7:]}",
            f"{number[:2]} {number[2:6]} {number[6:]}",
            f"({number[:2]}) {' '.join(pairs[1:])}",
            f"+32 4{self.digits(2)} {self.digits(2)} {self.digits(2)} {self.digits(2)}",
            f"+41 79 {self.digits(3)} {self.digits(2)} {self.digits(2)}",
            f"+262 692 {self.digits(2)} {self.digits(2)} {self.digits(2)}",
        )

    def courriel(self) -> str:
        first, last = (_plain(word) for word in (self.first(), self.last()))
        box = self.pick(
            f"{first}.{last}",
            f"{first[0]}{last}",
            f"{first}{self.digits(2)}",
            f"{last}_{first}",
            f"{first}-{last}",
        )
        host = self.pick(
            "gmail.com",
            "orange.fr",
            "free.fr",
            "laposte.net",
            "hotmail.fr",
            "entreprise-dubreuil.fr",
            "yahoo.fr",
            "proton.me",
        )
        name, _, ending = host.rpartition(".")
        return self.pick(
            *[f"{box}@{host}"] * 5,
            f"{box} @ {host}",
            f"{box}[at]{host}",
            f"{box} (at) {host}",
            f"{box} arobase {name} point {ending}",
            f"{box}@{host}".upper(),
        )

    def iban(self) -> str:
        account = self.digits(10) + self.digits(11)
        key = 97 - (89 * int(account[:5]) + 15 * int(account[5:10]) + 3 * int(account[10:])) % 97
        account += f"{key:02d}"
        number = f"FR{98 - int(account + '152700') % 97:02d}{account}"
        return self.pick(
            number, self.grouped(number, 4, " "), number.lower(), self.grouped(number, 4, "-")
        )

    def carte(self) -> str:
        number = self.pick("4", "51", "53", "55") + self.digits(15)
        number = number[:15]
        number += luhn.calc_check_digit(number)
        return self.pick(number, *(self.grouped(number, 4, sep) for sep in " -."))

    def nir(self) -> str:
        department = self.pick(*(f"{n:02d}" for n in range(1, 96) if n != 20), "2A", "2B")
        number = (
            f"{self.pick('1', '2')}{self.digits(2)}{self.rng.randint(1, 12):02d}{department}"
            f"{self.rng.randint(1, 600):03d}{self.rng.randint(1, 600):03d}"
        )
        value = int(number.replace("2A", "19").replace("2B", "18"))
        key = f"{97 - value % 97:02d}"
        spaced = " ".join(
            (number[0], number[1:3], number[3:5], number[5:7], number[7:10], number[10:])
        )
        return self.pick(
            number + key,
            f"{spaced} {key}",
            f"{number} {key}",
            number,
            spaced.replace(" ", ".") + "." + key,
        )

    def plaque(self) -> str:
        letters = "ABCDEFGHJKLMNPQRSTVWXYZ"
        one, two = ("".join(self.rng.choices(letters, k=2)) for _ in range(2))
        old = (
            f"{self.rng.randint(100, 9999)} "
            f"{''.join(self.rng.choices('ABCDFGHJKLMNPQRSTVWXYZ', k=2))} "
            f"{self.rng.randint(1, 95):02d}"
        )
        digits = f"{self.rng.randint(1, 999):03d}"
        return self.pick(
            f"{one}-{digits}-{two}",
            f"{one}-{digits}-{two}",
            f"{one} {digits} {two}",
            f"{one}{digits}{two}",
            f"{one}-{digits}-{two}".lower(),
            old,
            old.replace(" ", "-"),
        )

    def adresse(self) -> str:
        way, street = self.rng.choice(WAYS), self.rng.choice(STREETS)
        number = f"{self.rng.randint(1, 240)}{self.pick('', '', '', ' bis', ' ter', 'B')}"
        house = f"{number}{self.pick('', '', ',')} {way} {street}"
        town = f"{self.rng.randint(1000, 95999):05d} {_spaced(self.rng.choice(TOWNS))}"
        return self.pick(
            house, house, f"{house}, {town}", f"{house} {town}", f"{house}, {town.upper()}"
        )

    def lien(self) -> str:
        token = "".join(self.rng.choices("abcdef" + string.digits, k=24))
        handle = _plain(self.first()) + "." + _plain(self.last())
        return self.pick(
            f"https://www.facebook.com/{handle}",
            f"https://exemple-colis.info/suivi?id={self.digits(8)}",
            f"http://espace-client.net/reset?token={token}",
            f"https://www.instagram.com/{handle.replace('.', '_')}/",
            f"www.linkedin.com/in/{handle.replace('.', '-')}-{self.digits(4)}",
            f"https://drive.exemple.com/d/{token}/view",
            f"https://demarches.exemple.fr/dossiers/{self.digits(7)}?email={handle}@gmail.com",
        )

    def compte(self) -> str:
        first, last = _plain(self.first()), _plain(self.last())
        return "@" + self.pick(
            f"{first}_{last}",
            f"{first}{self.digits(2)}",
            f"{first}.{last}",
            f"{last}off",
            f"x{first}x",
        )

    def ip(self) -> str:
        octets = [self.rng.randint(11, 223), *(self.rng.randint(0, 254) for _ in range(3))]
        six = ":".join(f"{self.rng.randint(0, 65535):x}" for _ in range(8))
        return self.pick(
            *[".".join(map(str, octets))] * 3,
            six,
            f"2a01:e0a:{self.rng.randint(256, 65535):x}::{self.rng.randint(1, 65535):x}",
        )

    def dossier(self) -> str:
        year = self.rng.randint(2018, 2026)
        return self.pick(
            f"{self.digits(5)}/{self.digits(5)}/{year}",
            f"{year}/{self.digits(6)}",
            f"{year}-{self.digits(6)}",
            f"{self.pick('DS', 'PV', 'MC', 'PRE', 'ANTS')}-{self.digits(8)}",
            self.digits(9),
            f"{year}{self.digits(8)}",
            f"{self.pick(*string.ascii_uppercase)}{self.digits(7)}",
        )

    def naissance(self) -> str:
        day, month, year = (
            self.rng.randint(1, 28),
            self.rng.randint(1, 12),
            self.rng.randint(1935, 2012),
        )
        word = _list(
            """
janvier février mars avril mai juin juillet août septembre octobre novembre décembre
"""
        )[month - 1]
        return self.pick(
            f"{day:02d}/{month:02d}/{year}",
            f"{day:02d}-{month:02d}-{year}",
            f"{day:02d}.{month:02d}.{year % 100:02d}",
            f"{day} {word} {year}",
            f"{day:02d} {month:02d} {year}",
        )

    def nom(self) -> str:
        """A full name, alone in its place."""
        first, last = self.first(), self.last()
        return self.pick(
            *[f"{first} {last}"] * 4,
            f"{first} {last.upper()}",
            f"{last.upper()} {first}",
            f"{first} {self.first()} {last}",
        )

    def patronyme(self) -> str:
        """What stands after a title."""
        return self.pick(
            self.last(), self.last(), self.last().upper(), f"{self.first()} {self.last()}"
        )

    def prenom(self) -> str:
        return self.first()

    # --- messages

    def message(self, family: str) -> Message:
        said, clean = FAMILIES[family]
        template = self.rng.choice(clean if self.rng.random() < 0.4 else said)
        parts, spans, length = [], [], 0
        for part in re.split(r"(\{\w+\})", template):
            if part.startswith("{"):
                name = part[1:-1]
                part = getattr(self, name)()
                spans.append(
                    Span(
                        length,
                        length + len(part),
                        {"patronyme": "nom", "prenom": "nom"}.get(name, name),
                    )
                )
            parts.append(part)
            length += len(part)
        return self.worn(Message("".join(parts), tuple(spans)))

    def worn(self, message: Message) -> Message:
        """Write as people do: without accents, in one case, with slips of the fingers."""
        text, spans = message
        chance = self.rng.random()
        if chance < 0.12:
            text = "".join(_unaccented(letter) for letter in text)
        elif chance < 0.18:
            text = "".join(
                letter.upper() if len(letter.upper()) == 1 else letter for letter in text
            )
        elif chance < 0.26:
            text = text.lower()
        elif chance < 0.36:
            at = [
                match.start()
                for match in re.finditer(r"(?<=[a-zà-ÿ])[a-zà-ÿ]{2}(?=[a-zà-ÿ])", text)
                if not any(span.start - 12 <= match.start() <= span.end for span in spans)
            ]
            for place in self.rng.sample(at, min(2, len(at))):
                text = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
        return Message(text, spans)


def _unaccented(letter: str) -> str:
    return unicodedata.normalize("NFD", letter)[0] if letter.isalpha() else letter


def _plain(word: str) -> str:
    return re.sub(r"[^a-z]", "", "".join(map(_unaccented, word)).lower())


def corpus(
    count: int, seed: int, families: tuple[str, ...] | None = None
) -> list[tuple[str, Message]]:
    """Return messages with the family that each is of."""
    writer = Writer(seed)
    names = families or tuple(FAMILIES)
    return [(family := writer.rng.choice(names), writer.message(family)) for _ in range(count)]


LETTERS = (
    [
        "Bonjour, je m'appelle {nom} et j'attends ma carte grise depuis trois mois. Merci de me "
        "rappeler au {telephone}.",
        "Un grand merci à {nom}, qui m'a guidé avec patience du début à la fin.",
        "Madame {patronyme} a été odieuse au téléphone, je ne reviendrai pas.",
        "J'ai été reçue par M. {patronyme} le 14 mars, très professionnel.",
        "Dossier n° {dossier} : toujours aucune nouvelle après deux relances par mail.",
        "Vous pouvez m'écrire à {courriel} ou à mon domicile, {adresse}.",
        "{prenom} m'a très bien renseignée, merci à toute l'équipe.",
        "Ma fille {prenom}, née le {naissance}, n'a jamais reçu son passeport.",
        "Merci de prendre contact avec moi.\nCordialement,\n{nom}\n{telephone}",
        "On me réclame mon numéro de sécurité sociale ({nir}) et un RIB : {iban}, est-ce normal ?",
        "J'habite au {adresse} et les rodéos recommencent chaque soir.",
        "Je souhaite remercier l'adjudant {patronyme} ainsi que la gendarme {patronyme} pour "
        "leur écoute.",
        "Le véhicule immatriculé {plaque} est garé devant chez moi depuis deux semaines.",
        "Excellent accueil de la part de {prenom}, qui a su trouver les mots.",
        "Je vous ai envoyé ma demande depuis {courriel} le mois dernier, référence {dossier}.",
        "Mme {patronyme} m'a répondu en dix minutes. Bien cordialement, {nom}",
        "J'ai suivi le lien {lien} reçu par SMS, et mon compte a été vidé.",
        "Ma carte {carte} a servi à des achats que je n'ai pas faits.",
    ],
    [
        "Accueil chaleureux, attente raisonnable, je recommande cette brigade.",
        "J'ai appelé le 0 805 805 817 puis le 3919, on m'a bien orienté.",
        "Le site plante depuis deux semaines, erreur 503 à l'étape 4 sur 7.",
        "J'ai payé 1 250,50 euros le 12/03/2024 pour rien, c'est inadmissible.",
        "La carte rose n'est plus valable, on m'a dit de faire une demande en ligne.",
        "M. le maire et Mme la préfète devraient venir voir l'état de la brigade de Saint-Pierre.",
        "Bonjour Madame, Monsieur, je n'arrive pas à me connecter à France Connect.",
        "J'ai attendu 45 minutes guichet 14 avec le ticket A127, un mardi à 10 h 30.",
        "Écrivez à contact@service-public.gouv.fr si vous avez le même souci.",
        "De Paris à Florence en passant par Nancy, aucun bureau ouvert le samedi.",
        "On m'a mis une amende de 135 euros pour un stationnement rue de la Paix.",
        "Merci M. J'ai enfin eu mon rendez-vous après 6 mois.",
        "Le formulaire Cerfa 12100*02 et l'article L. 212-1 du code sont incompréhensibles.",
        "Toujours rien reçu le 01/02/2025, ni le 15/02/2025. Cordialement, un usager mécontent",
    ],
)
REPORTS = (
    [
        "Je soussigné {nom}, né le {naissance}, demeurant {adresse}, souhaite porter plainte.",
        "Le nommé {nom} m'a menacé de mort hier soir devant mon immeuble.",
        "Nom : {patronyme} / Tél : {telephone} / Mail : {courriel}",
        "Plainte {dossier} déposée à la brigade, sans suite à ce jour. Contact : {telephone}",
        "Virement frauduleux vers l'IBAN {iban}, bénéficiaire inconnu de moi.",
        "L'auteur des faits circule à bord d'une Clio grise {plaque} et se fait appeler {prenom}.",
        "Mon ex-mari {nom} continue de me harceler depuis le {telephone}.",
        "Connexion suspecte le 3 avril à 22h14 depuis l'adresse {ip}.",
        "Date de naissance : {naissance}. N° de sécurité sociale : {nir}.",
        "L'escroc utilise le compte {compte} et la page {lien} pour vendre de faux billets.",
        "Mon voisin, M. {patronyme}, domicilié {adresse}, fait brûler ses déchets tous les "
        "dimanches.",
        "Procès-verbal n°{dossier}, établi par le lieutenant {patronyme} de la compagnie.",
        "Les faits se sont produits au {adresse}, vers 23 heures, en présence de {nom}.",
        "La victime, Madame {patronyme}, est joignable au {telephone} après 18 h.",
        "Carte bancaire numéro {carte} débitée trois fois de 49,90 euros.",
        "Maître {patronyme}, mon avocat, vous a écrit depuis {courriel}.",
        "Identité du mis en cause : {nom}, plaque {plaque}.",
        "Témoins : {nom} ({telephone}) et {nom}, collègues de bureau.",
    ],
    [
        "Vol d'un vélo bleu de marque Rockrider devant la gare, entre 8 h et 18 h 30.",
        "Faits commis dans la nuit du 12 au 13 mai 2024, préjudice estimé à 3 400 euros.",
        "Cambriolage sans effraction, un ordinateur et 150 euros en espèces ont disparu.",
        "Le mis en cause est inconnu, environ 30 ans, 1m80, blouson noir, jean clair.",
        "Achat sur un faux site, commande du 02/11/2023, 89 euros, aucune livraison.",
        "Nuisances sonores répétées rue Victor Hugo, les vendredis et samedis après minuit.",
        "La plaque de rue a été arrachée, le mur tagué sur 12 mètres, facture de 560 euros.",
        "Dégradations au collège Jean Moulin et au stade Pierre de Coubertin pendant les vacances.",
        "Appel au 17 puis au 112, la patrouille est arrivée en 9 minutes.",
        "Le logiciel est en version 10.2.0.14 et le code erreur est 0x80070005.",
        "Tentative d'hameçonnage au nom de l'Assurance maladie, lien non ouvert.",
        "Le distributeur du 1er étage a avalé 2 billets de 50 euros, ticket numéro 12.",
        "Suite à la loi n° 2016-1321 du 7 octobre 2016, je demande une réponse écrite.",
        "Le capitaine de la compagnie et le commandant de brigade ont été informés.",
    ],
)
TALK = (
    [
        "slt c {prenom} vous pouvez me rappeler au {telephone} svp",
        "@gendarmerie regardez {compte} il harcèle ma soeur depuis des mois",
        "Moi c'est {nom}, on s'est parlé hier sur le tchat",
        "mon adresse mail {courriel} et mon num {telephone} merci d'avance",
        "Ok je note, {prenom} arrive dans 5 min avec les papiers",
        "je suis {nom}, j'ai déposé la pré-plainte {dossier}",
        "Le gars roule en {plaque}, il a failli renverser ma fille {prenom}",
        "Quelqu'un connaît {lien} ? c'est une arnaque ??",
        "j'habite {adresse} et y a des coups de feu",
        "Merci à l'agent {patronyme} pour son aide, au top !",
        "né le {naissance} ça suffit pour retrouver mon dossier ?",
        "mon numéro fiscal non, mais mon numéro de sécu c'est {nir}",
        "RIB demandé par le faux conseiller : {iban}",
        "il m'a demandé les chiffres de ma carte {carte} et j'ai donné 😢",
        "quelqu'un se connecte sur ma box depuis {ip}, je fais quoi ?",
        "D'accord monsieur {patronyme}, je transmets à {nom}. Bonne journée",
        "tjrs pas de news du dossier {dossier}",
        "appelle {nom} au {telephone} c'est lui qui a tout filmé",
    ],
    [
        "Bonjour, est-ce que la brigade est ouverte samedi matin ?",
        "mdr encore une arnaque au colis, faites gaffe",
        "J'adore Paris mais les transports c'est l'enfer",
        "merci les gars vous gérez 👏👏",
        "c'est quoi le numéro pour les escroqueries ? 0 805 805 817 ?",
        "@Gendarmerie bravo pour l'opération de ce matin",
        "Une rose pour toutes les femmes le 8 mars, quelle hypocrisie",
        "pierre par pierre ils détruisent le service public",
        "Bientôt Noël et toujours pas mon permis",
        "Prudence sur l'A7 et la D1075, radar au km 142",
        "rdv le 12/06 à 14h30, j'attends tjrs la confirmation",
        "https://www.gendarmerie.interieur.gouv.fr pour ceux qui cherchent",
        "on attend la réponse de la mairie depuis 2023, ça avance pas",
        "Faut appeler le 17 ou aller sur masecurite.interieur.gouv.fr",
    ],
)
FAMILIES: dict[str, tuple[list[str], list[str]]] = {
    "lettres": LETTERS,
    "plaintes": REPORTS,
    "conversations": TALK,
}
