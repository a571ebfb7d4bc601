"""Campaigns: what each one changed, how sure that is, and the words that say it.

`estimate` chooses what to compare with (places or subjects that were not targeted, or the past),
tries the same method where and when nothing happened, and concludes. A campaign of which nothing
can be said gets a sentence that says why; no data stops the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dbt_project.udfs import effects
from dbt_project.udfs.effects import Bools, Effect, Floats, Rule, Times

NAMES = {
    "baisse": "effet démontré : baisse",
    "hausse": "effet démontré : hausse",
    "non_demontre": "effet non démontré",
    "tendance_rompue": "non concluant : l'écart existait avant",
    "non_estimable": "non estimable",
}
METHODS = {
    "temoins": "Départements témoins",
    "sujets_temoins": "Passé de la série et sujets témoins",
    "serie_seule": "Passé de la série",
}
DAY = np.timedelta64(1, "D")

PERIODS = pa.list_(
    pa.struct(
        {
            "debut_le": pa.date32(),
            "fin_le": pa.date32(),
            "phase": pa.string(),
            "observe_count": pa.int64(),
            "attendu": pa.float64(),
            "attendu_bas": pa.float64(),
            "attendu_haut": pa.float64(),
            "effet_par_jour": pa.float64(),
            "effet_cumule": pa.float64(),
            "effet_cumule_bas": pa.float64(),
            "effet_cumule_haut": pa.float64(),
        }
    )
)
SCHEMA = pa.schema(
    {
        "campagne_id": pa.string(),
        "methode": pa.string(),
        "methode_label": pa.string(),
        "methode_version": pa.string(),
        "pas": pa.string(),
        "mesure_debut_le": pa.date32(),
        "mesure_fin_le": pa.date32(),
        "is_complete": pa.bool_(),
        "periodes_avant_count": pa.int64(),
        "cibles_count": pa.int64(),
        "cibles_ecartees_count": pa.int64(),
        "temoins_count": pa.int64(),
        "observe_count": pa.int64(),
        "attendu": pa.float64(),
        "effet": pa.float64(),
        "effet_bas": pa.float64(),
        "effet_haut": pa.float64(),
        "effet_part": pa.float64(),
        "effet_part_bas": pa.float64(),
        "effet_part_haut": pa.float64(),
        "hasard": pa.float64(),
        "avant_apres_part": pa.float64(),
        "pretendance": pa.string(),
        "pretendance_hasard": pa.float64(),
        "essais_dates_count": pa.int64(),
        "essais_dates_conclus_count": pa.int64(),
        "essais_lieux_count": pa.int64(),
        "essais_lieux_conclus_count": pa.int64(),
        "detectable_part": pa.float64(),
        "cout_par_effet_eur": pa.float64(),
        "conclusion": pa.string(),
        "conclusion_label": pa.string(),
        "phrase": pa.string(),
        "periodes": PERIODS,
    }
)


class NotEstimableError(ValueError):
    """Why nothing can be said of a campaign: a French sentence."""


@dataclass(frozen=True)
class Campaign:
    """What was done, until the day `end`; without `places`, the whole country is targeted."""

    name: str
    start: np.datetime64
    end: np.datetime64
    places: frozenset[str]
    measure: str | None
    label: str
    wanted: str
    cost: float | None
    is_begun: bool

    def meets(self, other: Campaign) -> bool:
        """Say whether both act on the same measure in a same place."""
        everywhere = not self.places or not other.places
        return self.measure == other.measure and (everywhere or bool(self.places & other.places))


@dataclass(frozen=True)
class Panel:
    """Counts of one measure: places × periods, NaN where unknown; periods go from start to stop."""

    step: str
    places: list[str]
    regions: NDArray[np.int64]
    counts: Floats
    starts: Times
    stops: Times
    others: Floats | None = None

    def share(self, campaign: Campaign) -> Floats:
        """Return the part of each period that the campaign lasts."""
        begun = np.maximum(self.starts, campaign.start)
        left = np.minimum(self.stops, campaign.end + DAY) - begun
        return np.maximum(left / DAY, 0) / ((self.stops - self.starts) / DAY)


def estimate(campaigns: pa.Table, series: pa.Table, rule: Rule) -> pa.Table:
    """Return one row per campaign, of `SCHEMA`, in the order of their names.

    Args:
        campaigns: `campagne_id`, `debut_le`, `fin_le`, `departements` (codes and commas; null: the
            whole country), `cout_eur`, `mesure_id` and `mesure_label` (null: no measure answers to
            the theme), `sens_attendu` (`baisse` or `hausse`), `is_commencee`.
        series: `mesure_id`, `pas` (`jour`, of the country, or `mois`, by place),
            `departement_code`, `region_code`, `periode_le`, `observe_count` (null: unknown or
            hidden), `autres_count` (what other subjects of the source do on that day).
        rule: what is wanted of an estimate.
    """
    known = [
        Campaign(
            row["campagne_id"],
            np.datetime64(row["debut_le"], "D"),
            np.datetime64(row["fin_le"], "D"),
            frozenset(filter(None, (row["departements"] or "").split(","))),
            row["mesure_id"],
            row["mesure_label"] or "",
            row["sens_attendu"] or "",
            row["cout_eur"],
            row["is_commencee"],
        )
        for row in sorted(campaigns.to_pylist(), key=lambda row: row["campagne_id"])
    ]
    tables: dict[str, pa.Table] = {}
    for measure in {one.measure for one in known if one.measure}:
        tables[measure] = series.filter(pc.equal(series["mesure_id"], measure))
    rows = []
    for one in known:
        row: dict[str, Any] = {"campagne_id": one.name, "methode_version": effects.VERSION}
        try:
            row |= _judge(one, known, tables, rule)
        except NotEstimableError as reason:
            row |= {"conclusion": "non_estimable", "phrase": str(reason), "periodes": []}
        row["conclusion_label"] = NAMES[row["conclusion"]]
        row["methode_label"] = METHODS.get(row.get("methode", ""))
        rows.append(row)
    return pa.Table.from_pylist(rows, SCHEMA)


def _judge(
    one: Campaign,
    known: list[Campaign],
    tables: Mapping[str, pa.Table],
    rule: Rule,
) -> dict[str, Any]:
    if one.measure is None:
        raise NotEstimableError(
            "Aucune mesure ne répond au thème de cette campagne. Remède : relier ce thème à une "
            "mesure dans map_campagnes__mesures."
        )
    if not one.is_begun:
        raise NotEstimableError("La campagne n'a pas commencé : il n'y a encore rien à mesurer.")
    panel = _monthly(tables[one.measure]) if one.places else None
    if panel is not None:
        targeted = np.isin(panel.places, list(one.places))
        if (~targeted).sum() >= rule.temoins_min:
            return _Study(one, known, panel, rule).told()
    elif one.places:
        raise NotEstimableError(
            "La mesure n'est connue que pour tout le pays, et la campagne n'en visait qu'une "
            "partie."
        )
    panel = _weekly(tables[one.measure], one.start)
    if panel is None:
        raise NotEstimableError("La mesure n'est pas connue jour par jour pour tout le pays.")
    return _Study(one, known, panel, rule).told()


def _monthly(table: pa.Table) -> Panel | None:
    rows = [row for row in table.to_pylist() if row["pas"] == "mois" and row["departement_code"]]
    if not rows:
        return None
    places = sorted({row["departement_code"] for row in rows})
    named = {row["departement_code"]: row["region_code"] or "" for row in rows}
    months = np.unique(np.array([row["periode_le"] for row in rows], "datetime64[M]"))
    months = np.arange(months[0], months[-1] + 1)
    panel = np.full((len(places), len(months)), np.nan)
    for row in rows:
        month = (np.datetime64(row["periode_le"], "M") - months[0]).astype(int)
        value = row["observe_count"]
        panel[places.index(row["departement_code"]), month] = np.nan if value is None else value
    _, regions = np.unique([named[place] for place in places], return_inverse=True)
    days = months.astype("datetime64[D]")
    return Panel("mois", places, regions, panel, days, (months + 1).astype("datetime64[D]"))


def _weekly(table: pa.Table, start: np.datetime64) -> Panel | None:
    """Sum days by seven, from the day that the campaign begins, forwards and backwards."""
    rows = [row for row in table.to_pylist() if row["pas"] == "jour"]
    if not rows:
        return None
    days = np.array([row["periode_le"] for row in rows], "datetime64[D]")
    first = start - (start - days.min()) // (7 * DAY) * (7 * DAY)
    weeks = np.arange(first, days.max() - 5 * DAY, 7 * DAY)
    summed = []
    for name in ("observe_count", "autres_count"):
        daily = np.full((max(len(weeks), 0), 7), np.nan)
        for day, row in zip(days, rows, strict=True):
            place = (day - first).astype(int)
            if 0 <= place < daily.size and row[name] is not None:
                daily.flat[place] = row[name]
        summed.append(daily.sum(1))
    series, others = summed
    return Panel(
        "semaine",
        [""],
        np.zeros(1, int),
        series[None],
        weeks,
        weeks + 7 * DAY,
        None if np.isnan(others).all() else others,
    )


class _Study:
    """One campaign over one panel: which periods and places are compared, and what comes of it."""

    def __init__(self, one: Campaign, known: list[Campaign], panel: Panel, rule: Rule) -> None:
        self.one, self.rule = one, rule
        self.by_place = panel.step == "mois"
        unit = "mois" if self.by_place else "semaines"
        self.least = rule.mois_avant_min if self.by_place else rule.semaines_avant_min
        self.most = rule.mois_avant_max if self.by_place else rule.semaines_avant_max
        share = panel.share(one)
        if not len(share) or panel.stops[-1] <= one.start:
            raise NotEstimableError(
                "Les données s'arrêtent avant la campagne : seules des périodes achevées sont "
                "mesurées."
            )
        complete = (panel.starts > one.end).any() or panel.stops[-1] > one.end
        others = [other for other in known if other is not one and other.measure == one.measure]
        rivals = [other for other in others if other.meets(one)]
        touched = np.any([panel.share(other) > 0 for other in rivals], 0) if rivals else share < 0
        during = share >= rule.part_min
        if not during.any():
            raise NotEstimableError(
                f"La campagne est trop courte pour une mesure par {panel.step}."
                if complete
                else "Les données ne couvrent pas encore assez de jours de la campagne."
            )
        if (during & touched).any():
            raise NotEstimableError(
                "Une autre campagne visait la même mesure, aux mêmes lieux et au même moment : "
                "leurs effets ne se séparent pas."
            )
        clean = (panel.stops <= one.start) & ~touched
        lived = clean if self.by_place else clean & ~np.isnan(panel.counts).any(0)
        if panel.others is not None and np.isnan(panel.others[lived | during]).any():
            panel = replace(panel, others=None)
        before = _last(lived, self.most)
        if before.sum() < self.least:
            raise NotEstimableError(
                f"Le passé est trop court : {int(before.sum())} {unit} sans autre campagne, quand "
                f"il en faut {self.least}."
            )
        self.past, self.before, self.during = lived, before, during
        after = panel.starts > one.end
        count = rule.mois_apres if self.by_place else rule.semaines_apres
        self.after = after & (np.cumsum(after) <= count) & ~touched
        self.edge = (share > 0) & ~during & ~touched
        self.complete = bool(complete)
        treated = (
            np.isin(panel.places, list(one.places)) if self.by_place else np.ones(1, dtype=bool)
        )
        self._choose(panel, treated, others)

    def _choose(self, panel: Panel, treated: Bools, others: list[Campaign]) -> None:
        """Keep places whose counts are all known, and that no other campaign targeted."""
        used = self.before | self.during
        whole = ~np.isnan(panel.counts[:, used]).any(1)
        whole &= np.nansum(panel.counts[:, self.before], 1) > 0
        if self.by_place:
            for other in others:
                if (panel.share(other)[used] > 0).any() and other.places:
                    whole &= treated | ~np.isin(panel.places, list(other.places))
        self.targets = int((treated & whole).sum())
        self.lost = len(self.one.places) - self.targets
        self.controls = int((~treated & whole).sum())
        if not self.targets:
            raise NotEstimableError(
                "Les comptes des lieux visés sont trop petits, ou manquent : rien ne peut en être "
                "dit."
            )
        if self.by_place and self.controls < self.rule.temoins_min:
            raise NotEstimableError(
                f"{self.controls} départements seulement peuvent servir de témoins, quand il en "
                f"faut {self.rule.temoins_min}."
            )
        seen = ~np.isnan(panel.counts[whole]).any(0)
        if panel.others is not None:
            seen &= ~np.isnan(panel.others)
        self.after, self.edge = self.after & seen, self.edge & seen
        self.treated, self.regions = treated[whole], panel.regions[whole]
        self.counts, self.panel = panel.counts[whole], panel

    def measure(self, before: Bools, during: Bools, treated: Bools | None = None) -> Effect:
        """Return the effect over `during`; `treated`, among those never targeted, is a trial."""
        if not self.by_place:
            return self._weeks(before, during)[1]
        rows = np.ones(len(self.treated), bool) if treated is None else ~self.treated
        known = rows & ~np.isnan(self.counts[:, before | during]).any(1)
        known &= self.counts[:, before].sum(1, where=~np.isnan(self.counts[:, before])) > 0
        chosen = self.treated if treated is None else treated
        return effects.against_others(
            self.counts[known], chosen[known], before, during, self.rule, self.regions[known]
        )

    def _weeks(self, before: Bools, during: Bools) -> tuple[list[Effect], Effect]:
        panel = self.panel
        return effects.against_itself(
            self.counts[0], panel.starts, before, during, self.rule, panel.others
        )

    def told(self) -> dict[str, Any]:
        """Return the row of the campaign."""
        whole = self.measure(self.before, self.during)
        if whole.expected < self.rule.attendu_min:
            raise NotEstimableError(
                f"Moins de {self.rule.attendu_min:g} cas étaient attendus pendant la campagne : "
                "trop peu pour voir un effet."
            )
        dates = self._other_dates()
        places = self._other_places()
        trend = self._trend(dates)
        broken = trend is not None and trend < self.rule.risque
        shown = ("baisse" if whole.ratio < 1 else "hausse") if whole.is_shown else "non_demontre"
        gain, least, most = whole.gain
        starts, stops = self.panel.starts[self.during], self.panel.stops[self.during]
        if self.by_place:
            method = "temoins"
        else:
            method = "serie_seule" if self.panel.others is None else "sujets_temoins"
        row = {
            "methode": method,
            "pas": self.panel.step,
            "mesure_debut_le": starts[0].astype(object),
            "mesure_fin_le": (stops[-1] - DAY).astype(object),
            "is_complete": self.complete,
            "periodes_avant_count": int(self.before.sum()),
            "cibles_count": self.targets if self.by_place else None,
            "cibles_ecartees_count": self.lost if self.by_place else None,
            "temoins_count": self.controls if self.by_place else None,
            "observe_count": int(whole.observed),
            "attendu": whole.expected,
            "effet": gain,
            "effet_bas": least,
            "effet_haut": most,
            "effet_part": whole.ratio - 1,
            "effet_part_bas": whole.low - 1,
            "effet_part_haut": whole.high - 1,
            "hasard": whole.chance,
            "avant_apres_part": self._naive() - 1,
            "pretendance": {None: "non_verifiee", True: "rompue", False: "conforme"}[
                None if trend is None else broken
            ],
            "pretendance_hasard": trend,
            "essais_dates_count": len(dates),
            "essais_dates_conclus_count": sum(one.is_shown for one in dates),
            "essais_lieux_count": len(places),
            "essais_lieux_conclus_count": sum(one.is_shown for one in places),
            "detectable_part": _least(whole, self.one.wanted),
            "conclusion": "tendance_rompue" if broken else shown,
            "periodes": self._periods(),
        }
        if self.one.cost is not None and row["conclusion"] == self.one.wanted:
            row["cout_par_effet_eur"] = self.one.cost / abs(gain)
        row["phrase"] = _phrase(self.one, row, self.rule)
        return row

    def _naive(self) -> float:
        recent = _last(self.before, int(self.during.sum()))
        days = (self.panel.stops - self.panel.starts) / DAY
        counts = self.counts[self.treated].sum(0)
        return effects.before_after(counts, days, recent, self.during, self.rule)[0]

    def _other_dates(self) -> list[Effect]:
        """Measure as many periods, where nothing happened, back from the campaign."""
        found = []
        left, count = np.flatnonzero(self.past), int(self.during.sum())
        while len(left) >= self.least + count:
            during = np.isin(np.arange(len(self.past)), left[-count:])
            left = left[:-count]
            before = _last(np.isin(np.arange(len(self.past)), left), self.most)
            try:
                found.append(self.measure(before, during))
            except ValueError:  # counts hidden or absent that far back
                break
        return found

    def _other_places(self) -> list[Effect]:
        """Measure as many places, drawn from those where nothing happened."""
        if not self.by_place or self.controls < 2 * self.targets + self.rule.temoins_min:
            return []
        chance = np.random.default_rng(0)
        free = np.flatnonzero(~self.treated)
        found = []
        for _ in range(self.rule.essais_lieux):
            treated = np.zeros(len(self.treated), bool)
            treated[chance.choice(free, self.targets, replace=False)] = True
            found.append(self.measure(self.before, self.during, treated))
        return found

    def _trend(self, dates: list[Effect]) -> float | None:
        """Return how likely the gap seen before the campaign is, where nothing happens.

        By place: the second half of the months before against the first. Otherwise, the weeks just
        before, foretold from those before them.
        """
        if not self.by_place:
            return dates[0].chance if dates else None
        periods = np.flatnonzero(self.before)
        halves = np.isin(np.arange(len(self.before)), periods[: len(periods) // 2])
        return self.measure(halves, self.before & ~halves).chance

    def _periods(self) -> list[dict[str, Any]]:
        """Return what was seen and expected around and during the campaign, period by period."""
        rows: dict[int, dict[str, Any]] = {}
        shown = _last(self.before, self.rule.periodes_montrees)
        later = self.during | self.edge | self.after
        ahead = [] if self.by_place else self._weeks(self.before, later)[0]
        foretold = dict(zip(np.flatnonzero(later).tolist(), ahead, strict=False))
        names = {"avant": shown, "campagne": self.during, "bord": self.edge, "apres": self.after}
        for place in np.flatnonzero(shown | later).tolist():
            at = np.arange(len(self.before)) == place
            effect = foretold.get(place) or self.measure(self.before & ~at, at)
            start, stop = self.panel.starts[place], self.panel.stops[place]
            rows[place] = {
                "debut_le": start.astype(object),
                "fin_le": (stop - DAY).astype(object),
                "phase": next(name for name, mask in names.items() if mask[place]),
                "observe_count": int(effect.observed),
                "attendu": effect.expected,
                "attendu_bas": effect.expected * np.exp(-effect.band),
                "attendu_haut": effect.expected * np.exp(effect.band),
                "effet_par_jour": effect.gain[0] / float((stop - start) / DAY),
            }
        for rank, place in enumerate(np.flatnonzero(self.during), 1):
            some = self.during & (np.cumsum(self.during) <= rank)
            gain, least, most = self.measure(self.before, some).gain
            rows[int(place)] |= {
                "effet_cumule": gain,
                "effet_cumule_bas": least,
                "effet_cumule_haut": most,
            }
        return [rows[place] for place in sorted(rows)]


def _last(mask: Bools, count: int) -> Bools:
    """Keep the last `count` of those that a mask names."""
    return mask & (np.cumsum(mask[::-1])[::-1] <= count)


def _least(effect: Effect, wanted: str) -> float:
    way = 1 if wanted == "hausse" else -1
    return abs(float(np.expm1(way * effect.detectable)))


# --- words --------------------------------------------------------------------------------------


def _phrase(one: Campaign, row: Mapping[str, Any], rule: Rule) -> str:
    """Say in French what the numbers of a row say, and no more."""
    counted = (
        f"Du {row['mesure_debut_le']:%d/%m/%Y} au {row['mesure_fin_le']:%d/%m/%Y} : "
        f"{_number(row['observe_count'])} {one.label}, quand {_number(row['attendu'])} étaient "
        "attendus sans la campagne"
    )
    share, low, high = (row[f"effet_part{end}"] for end in ("", "_bas", "_haut"))
    gap = (
        f"{_percent(share)}, intervalle à {_percent(1 - rule.risque, sign=False)} de "
        f"{_percent(low)} à {_percent(high)}"
    )
    least = _percent(row["detectable_part"], sign=False)
    power = _percent(rule.puissance, sign=False)
    words = {
        "baisse": "La baisse est démontrée.",
        "hausse": "La hausse est démontrée.",
        "non_demontre": (
            f"Un tel écart arrive sans campagne : l'effet n'est pas démontré. Une {one.wanted} de "
            f"{least} aurait été vue dans {power} des cas."
        ),
        "tendance_rompue": (
            "Mais un écart se voyait déjà avant la campagne : il ne peut lui être attribué."
        ),
    }
    said = [f"{counted} ({gap}).", words[row["conclusion"]]]
    if row["conclusion"] in ("baisse", "hausse") and row["conclusion"] != one.wanted:
        said.append(f"C'est le contraire de ce qui était voulu : une {one.wanted}.")
    if not row["is_complete"]:
        said.append("Estimation provisoire : les données ne couvrent pas toute la campagne.")
    return " ".join(said)


def _number(value: float) -> str:
    return f"{value:,.0f}".replace(",", "\u202f")


def _percent(share: float, sign: bool = True) -> str:
    said = f"{abs(share) * 100:.0f}"
    mark = "" if not sign or said == "0" else "+" if share > 0 else "−"
    return f"{mark}{said}\u202f%"
