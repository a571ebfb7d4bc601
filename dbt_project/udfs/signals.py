"""From series to signals: what alarms, what is one thing, who confirms it, when it is over.

`detect` judges all series, day by day and hour by hour, and sets aside the faults of sources.
`follow` reads its alarms in the order in which they could be known and gives each signal an
identity, a place, a state and a severity. Both are causal: what comes later adds rows and changes
none, so a past replayed period by period gives what one run gives. Arrow in, Arrow out.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from math import inf, log10
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dbt_project.udfs import counts, space, volumes

VERSION = "signaux-1"

Methods = Mapping[str, Mapping[str, float]]

ATTRIBUTES = ("famille", "source", "sujet", "departement_code", "is_personnes", "origine")
COUNTRY = "FR"
RISES = ("pic", "montee", "palier", "volume", "foyer")
SUMMED = ("montee", "palier")

MOMENT = pa.timestamp("us")
DETECTIONS = pa.schema(
    [
        ("serie_id", pa.string()),
        ("grain", pa.string()),
        ("famille", pa.string()),
        ("source", pa.string()),
        ("sujet", pa.string()),
        ("departement_code", pa.string()),
        ("departements_codes", pa.string()),
        ("periode_at", MOMENT),
        ("fin_at", MOMENT),
        ("observe_count", pa.int64()),
        ("attendu_count", pa.float64()),
        ("attendu_bas_count", pa.float64()),
        ("attendu_haut_count", pa.float64()),
        ("surprise", pa.float64()),
        ("chance", pa.float64()),
        ("forme", pa.string()),
        ("is_alerte", pa.bool_()),
        ("series_suivies_count", pa.int64()),
        ("methode_id", pa.string()),
        ("methode_version", pa.string()),
        ("is_personnes", pa.bool_()),
        ("origine", pa.string()),
    ]
)
FAULTS = pa.schema(
    [
        ("source", pa.string()),
        ("jour", pa.date32()),
        ("nature", pa.string()),
        ("phrase", pa.string()),
        ("observe_count", pa.int64()),
        ("attendu_count", pa.float64()),
        ("series_count", pa.int64()),
        ("origine", pa.string()),
    ]
)
SERIES = ("sujet", "famille", "source", "departement_code", "grain")
FAULTY = {
    "arret": "La source n'envoie plus rien, ou presque.",
    "double": "Les comptes de la source ont doublé : elle a pu être lue deux fois.",
    "rattrapage": "La source rattrape un silence : ce compte est de plusieurs jours.",
}
SAID = ("invalide", "demesuree", "doublons", "lacunaire")  # of counts.REASONS: faults of a source


def methods_from(rows: Iterable[Mapping[str, Any]]) -> Methods:
    """Return method -> parameter -> value, from the rows of `ref_methodes`."""
    methods: dict[str, dict[str, float]] = defaultdict(dict)
    for row in rows:
        methods[row["methode_id"]][row["parametre"]] = float(row["valeur"])
    return methods


class Overview(NamedTuple):
    """What all the periods judged say together: their end, their series, the sums of places."""

    now: datetime | None
    series: pa.Table
    totals: pa.Table

    @classmethod
    def of(cls, periods: pa.Table) -> "Overview":
        series = periods.filter(pc.not_equal(periods["forme"], "foyer"))
        placed = series.filter(pc.is_valid(series["departement_code"]))
        totals = placed.group_by(["source", "sujet", "periode_at"])
        return cls(
            pc.max(periods["fin_at"]).as_py(),
            series.group_by([*SERIES, "serie_id"]).aggregate([]),
            totals.aggregate([("observe_count", "sum")]),
        )


class Detected(NamedTuple):
    """Every period judged of every series, and the days on which a source was at fault.

    With an `overview` of all periods, those that neither alarm nor confirm may be left out.
    """

    periods: pa.Table
    faults: pa.Table
    overview: Overview | None = None


# --- detection --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judged:
    """A panel with what each series is; `known` periods are those whose counts can be believed."""

    panel: counts.Panel
    told: Mapping[str, np.ndarray]


def detect(
    daily: pa.Table,
    hourly: pa.Table,
    methods: Methods,
    zones: space.Zones | None = None,
    levels: np.ndarray | None = None,
    closed: Mapping[tuple[str, str], datetime] | None = None,
) -> Detected:
    """Judge every period of `daily` (jour) and `hourly` (heure_at, UTC) series.

    Both have serie_id, famille, source, sujet, departement_code (null: the country),
    observe_count, exposition (share of the period that is known), is_personnes, origine.
    `zones` and `levels` (ref_scan_niveaux) let the départements be searched together. `closed`,
    (source, grain) -> last period judged for good: only what comes after it is returned, and the
    work follows what is new.
    """
    told = faults(daily, methods)
    parts = [
        judge_days(daily, told, methods, zones, levels, closed),
        judge_hours(hourly, told, methods, closed),
    ]
    return Detected(pa.concat_tables(parts), told)


def judge_days(
    daily: pa.Table,
    told: pa.Table,
    methods: Methods,
    zones: space.Zones | None = None,
    levels: np.ndarray | None = None,
    closed: Mapping[tuple[str, str], datetime] | None = None,
) -> pa.Table:
    """Judge the daily series, the days that `faults` told left out; see `detect`."""
    judged = _without(_laid_out(daily, "jour", "D", methods["series"]), "jour", told)
    if not judged.panel.counts.size:
        return DETECTIONS.empty_table()
    found, rows = _judged("jour", judged, counts.JOUR, methods, closed or {})
    parts = [rows]
    if zones is not None and levels is not None:
        known = _judgeable(judged, found, counts.JOUR.minimum)
        parts.append(_clusters(judged, found, known, zones, levels, methods["espace"]))
    return _after(pa.concat_tables(parts), closed or {})


def judge_hours(
    hourly: pa.Table,
    told: pa.Table,
    methods: Methods,
    closed: Mapping[tuple[str, str], datetime] | None = None,
) -> pa.Table:
    """Judge the hourly series, the days that `faults` told left out; see `detect`."""
    judged = _without(_laid_out(hourly, "heure_at", "h", methods["series"]), "heure", told)
    if not judged.panel.counts.size:
        return DETECTIONS.empty_table()
    _, rows = _judged("heure", judged, counts.HEURE, methods, closed or {})
    return _after(rows, closed or {})


def _judged(
    grain: str,
    judged: Judged,
    rhythm: counts.Rhythm,
    methods: Methods,
    closed: Mapping[tuple[str, str], datetime],
) -> tuple[counts.Detection, pa.Table]:
    settings = methods[f"series_{grain}"]
    rhythm = counts.tuned(rhythm, _written(settings))
    found = _detection(judged, rhythm, _asked(grain, judged, closed), settings, methods)
    dense = _volumes(grain, judged, found, methods)
    return found, _table(grain, judged, found, rhythm.minimum, dense)


SEARCHED = 8  # days that a search of places looks back on: they are judged again, and not returned


def _asked(grain: str, judged: Judged, closed: Mapping[tuple[str, str], datetime]) -> int:
    """Return how many of the last periods hold all that is not closed."""
    begin, _ = _moments(grain, judged.panel.times)
    first = begin[-1]
    for source in set(judged.told["source"]):
        told = np.isfinite(judged.panel.counts[judged.told["source"] == source]).any(0)
        after = np.datetime64(closed.get((source, grain), datetime.min), "us")
        new = begin[told & (begin > after)]
        if len(new):  # a source that is silent has nothing to be judged again
            first = min(first, new[0])
    return min(len(begin), int((begin >= first).sum()) + SEARCHED)


def _after(periods: pa.Table, closed: Mapping[tuple[str, str], datetime]) -> pa.Table:
    for (source, grain), last in closed.items():
        of = pc.and_(pc.equal(periods["source"], source), pc.equal(periods["grain"], grain))
        old = pc.and_(of, pc.less_equal(periods["periode_at"], pa.scalar(last, MOMENT)))
        periods = periods.filter(pc.invert(old))
    return periods


def faults(daily: pa.Table, methods: Methods) -> pa.Table:
    """Return the days on which a source of `daily` series stopped, doubled or caught up."""
    return _faults(_laid_out(daily, "jour", "D", methods["series"]), methods["qualite"])


def _written(settings: Mapping[str, float]) -> dict[str, str]:
    return {name: f"{value:g}" for name, value in settings.items()}


def _laid_out(table: pa.Table, time: str, unit: str, settings: Mapping[str, float]) -> Judged:
    unknown = pc.less(table["exposition"].cast(pa.float64()), settings["exposition_min"])
    known = pc.if_else(unknown, None, table["observe_count"].cast(pa.float64()))
    known = known.to_numpy().astype(float)
    # A period that nobody told is no fault of the series: it has no row.
    kept = np.isfinite(known) | ~unknown.to_numpy()
    panel = counts.panel(
        table["serie_id"].filter(pa.array(kept)),
        table[time].to_numpy()[kept],
        known[kept],
        unit,
    )
    first = table.group_by("serie_id").aggregate([(name, "min") for name in ATTRIBUTES])
    first = first.sort_by("serie_id")
    first = first.filter(pc.is_in(first["serie_id"], pa.array(panel.ids.tolist(), pa.string())))
    told = {name: np.array(first[f"{name}_min"].to_pylist(), dtype=object) for name in ATTRIBUTES}
    return Judged(panel, told)


def _without(judged: Judged, grain: str, told: pa.Table) -> Judged:
    """Return the series without the days that their sources got wrong, as `faults` told."""
    panel = judged.panel
    wrong: dict[str, set[np.datetime64]] = defaultdict(set)
    for fault in told.select(["source", "jour", "nature"]).to_pylist():
        if fault["nature"] in FAULTY:
            wrong[fault["source"]].add(np.datetime64(fault["jour"], "D"))
    if not panel.counts.size or not wrong:
        return judged
    local = counts.paris(panel.times) if grain == "heure" else panel.times
    days, cells = local.astype("datetime64[D]"), panel.counts.copy()
    for source, faulty in wrong.items():
        at = np.isin(days, np.array(sorted(faulty)))
        cells[np.ix_(judged.told["source"] == source, at)] = np.nan
    return Judged(counts.Panel(panel.ids, panel.times, cells, panel.reason), judged.told)


def _detection(
    judged: Judged,
    rhythm: counts.Rhythm,
    asked: int,
    settings: Mapping[str, float],
    methods: Methods,
) -> counts.Detection:
    panel, told = judged.panel, judged.told
    persons = told["is_personnes"].astype(bool)
    least = np.where(persons, methods["series"]["plancher_personnes"], settings["plancher"])
    if settings["eears"]:
        return counts.detect_eears(
            panel,
            rhythm,
            asked,
            alpha=settings["eears_alpha"],
            places=len(panel.ids),
            least=int(least.max()),
        )
    place = np.where(told["departement_code"] == None, COUNTRY, "departement")  # noqa: E711
    families = [f"{source}/{where}" for source, where in zip(told["source"], place, strict=True)]
    return counts.detect(panel, rhythm, asked, np.array(families), settings["taux"], least)


def _volumes(
    grain: str, judged: Judged, found: counts.Detection, methods: Methods
) -> np.ndarray | None:
    """Return the surprises of dense hourly series by their unusual moments, 0 elsewhere."""
    settings = methods["volumes"]
    dense = found.expected >= settings["volume_min"]
    if grain != "heure" or not dense.any():
        return None
    times = judged.panel.times.astype("datetime64[us]")
    above = dense & (np.nan_to_num(found.observed) > found.high)
    told = np.zeros(found.expected.shape)
    # A series is read whole, and only where a rise may be one of its unusual moments.
    for row in np.flatnonzero(above.any(1)):
        told[row] = volumes.score(times, judged.panel.counts[row])[-told.shape[1] :]
    return np.where(above & (told >= settings["seuil"]), told, 0.0)


def _judgeable(judged: Judged, found: counts.Detection, minimum: int) -> np.ndarray:
    """Return which periods have a count and enough past, series × periods."""
    past = np.cumsum(np.isfinite(judged.panel.counts), 1)[:, -found.observed.shape[1] :]
    return np.isfinite(found.observed) & (past > minimum) & (found.expected > 0)


def _table(
    grain: str, judged: Judged, found: counts.Detection, minimum: int, dense: np.ndarray | None
) -> pa.Table:
    counted = np.isfinite(found.observed)
    cells = judged.panel.counts
    late = slice(cells.shape[1] - counted.shape[1], None)
    judgeable = _judgeable(judged, found, minimum)
    alarm, kind, surprise = found.alarm.copy(), found.kind.astype(object), found.surprise
    method = np.full(found.observed.shape, "comptes", object)
    version = np.full(found.observed.shape, found.method, object)
    if found.method.startswith("eears"):
        method[:] = "eears"
    if dense is not None:
        new = (dense > 0) & ~alarm & counted
        alarm |= new
        kind[new], surprise = "volume", np.where(new, dense, surprise)
        method[new], version[new] = "volumes", volumes.VERSION
    alive = (np.cumsum(np.nan_to_num(cells), 1) > 0).sum(0)[late]
    chance = np.minimum(1, 10.0**-surprise * alive)
    begin, end = _moments(grain, found.times)
    kept = judgeable.ravel()
    row, at = np.nonzero(judgeable)

    def of(values: np.ndarray) -> np.ndarray:
        return values.ravel()[kept]

    columns = {
        "serie_id": found.ids[row],
        "grain": np.full(len(row), grain, object),
        **{name: judged.told[name][row] for name in ATTRIBUTES},
        "departements_codes": judged.told["departement_code"][row],
        "periode_at": begin[at],
        "fin_at": end[at],
        "observe_count": of(found.observed).astype(np.int64),
        "attendu_count": of(found.expected),
        "attendu_bas_count": of(found.low),
        "attendu_haut_count": of(found.high),
        "surprise": of(surprise),
        "chance": of(chance),
        "forme": of(kind),
        "is_alerte": of(alarm),
        "series_suivies_count": alive[at],
        "methode_id": of(method),
        "methode_version": of(version),
    }
    return pa.table([_array(columns[n.name], n.type) for n in DETECTIONS], schema=DETECTIONS)


def _array(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind):
        return pa.array(values.astype("datetime64[us]")).cast(kind)
    return pa.array(values, kind)


def _moments(grain: str, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return begin and end (UTC) of hours, or of days lived in Paris."""
    if grain == "heure":
        return times.astype("datetime64[us]"), (times + 1).astype("datetime64[us]")
    days = times.astype("datetime64[D]")
    return _midnight(days), _midnight(days + 1)


def _midnight(days: np.ndarray) -> np.ndarray:
    """Return the UTC instants at which days begin in Paris."""
    winter = days.astype("datetime64[h]") - 1
    return np.where(counts.paris(winter) > days, winter - 1, winter).astype("datetime64[us]")


# --- faults of the sources --------------------------------------------------------------------


def _faults(days: Judged, settings: Mapping[str, float]) -> pa.Table:
    """Return the days on which a source stopped, doubled or caught up.

    Read from the national counts of each source against their own last weeks, before any model:
    a fault must neither alarm nor teach.
    """
    told, panel = days.told, days.panel
    rows: list[dict[str, Any]] = []
    for source in sorted(set(told["source"])):
        of = told["source"] == source
        national = of & (told["departement_code"] == None)  # noqa: E711
        mine = panel.counts[national if national.any() else of]
        known = np.isfinite(mine).any(0)
        total = np.nansum(np.where(known, mine, 0.0), 0)
        if not known.any():
            continue
        first = int(known.argmax())
        last = len(known) - 1 - int(known[::-1].argmax())
        usual = _usual(total, known, first, int(settings["jours"]))
        even = _all_even(panel.counts[of], int(settings["pairs_min"]))
        stopped = (usual >= settings["volume_min"]) & (total <= settings["reste_max"] * usual)
        stopped[:first] = False
        # After the last day anything heard of, silence is told once it is long.
        stopped[last + 1 :] &= np.arange(len(known) - last - 1) >= settings["silence_jours"] - 1
        caught = np.zeros(len(known), bool)
        silent = 0
        for day in range(first, last + 1):
            if stopped[day] or not known[day]:
                silent += 1
                continue
            much = settings["rattrapage_min"] * usual[day]
            caught[day] = silent > 0 and total[day] > much > 0
            silent = silent if caught[day] else 0
        together = _together(mine, known, first, settings)
        doubled = (even | together) & ~caught & (total >= settings["double_min"] * usual)
        doubled &= usual > 0
        for nature, flags in (("arret", stopped), ("double", doubled), ("rattrapage", caught)):
            for day in np.flatnonzero(flags):
                rows.append(
                    {
                        "source": source,
                        "jour": panel.times[day].astype("datetime64[D]").item(),
                        "nature": nature,
                        "phrase": FAULTY[nature],
                        "observe_count": int(total[day]),
                        "attendu_count": float(usual[day]),
                        "series_count": int(of.sum()),
                        "origine": told["origine"][of][0],
                    }
                )
        reasons = counts.reasons(panel, counts.JOUR, 1)[of]
        for reason in SAID:
            if (reasons == reason).any():
                rows.append(
                    {
                        "source": source,
                        "jour": panel.times[-1].astype("datetime64[D]").item(),
                        "nature": reason,
                        "phrase": counts.REASONS[reason],
                        "series_count": int((reasons == reason).sum()),
                        "origine": told["origine"][of][0],
                    }
                )
    return pa.Table.from_pylist(rows, schema=FAULTS)


def _usual(total: np.ndarray, known: np.ndarray, first: int, width: int) -> np.ndarray:
    """Return the median of the `width` periods before each one (0 while fewer are known)."""
    seen = np.where(known, total, np.nan)
    padded = np.concatenate([np.full(width, np.nan), seen])
    before = np.lib.stride_tricks.sliding_window_view(padded, width)[:-1]
    enough = np.isfinite(before).sum(1) >= width // 2
    usual = np.zeros(len(total))
    if enough.any():
        usual[enough] = np.nanmedian(before[enough], 1)
        same = before[:, ::-1][:, 6::7]  # a Sunday is no Monday
        same = np.where(np.isfinite(same).any(1)[:, None], same, np.inf)
        usual = np.minimum(usual, np.nanmedian(same, 1))
    return usual


def _all_even(cells: np.ndarray, least: int) -> np.ndarray:
    """Tell the days on which all counts are even: a file read twice, or one chance in 2^least."""
    told = np.nan_to_num(cells)
    odd = (told % 2 == 1).any(0)
    return ~odd & ((told > 0).sum(0) >= least)


def _together(
    cells: np.ndarray, known: np.ndarray, first: int, settings: Mapping[str, float]
) -> np.ndarray:
    """Tell the days on which all the subjects of a source rise by one factor, overnight."""
    flags = np.zeros(cells.shape[1], bool)
    never = np.nan_to_num(cells).max(1) < settings["volume_min"]
    if len(cells) < settings["sujets_min"] or never.any():
        return flags
    usual = np.stack(
        [_usual(np.nan_to_num(r), known, first, int(settings["jours"])) for r in cells]
    )
    dense = (usual >= settings["volume_min"]).all(0)
    ratio = np.nan_to_num(cells) / np.maximum(usual, 1e-9)
    low, high = ratio.min(0), ratio.max(0)
    flags = dense & (low >= settings["double_min"]) & (high <= settings["ecart_max"] * low)
    return flags & known


# --- places -----------------------------------------------------------------------------------


def _clusters(
    judged: Judged,
    found: counts.Detection,
    known: np.ndarray,
    zones: space.Zones,
    levels: np.ndarray,
    settings: Mapping[str, float],
) -> pa.Table:
    """Return one row per day and subject whose départements rise together beyond chance.

    The main one is `known`, series × days: one that cannot be judged alone opens nothing.
    """
    told = judged.told
    place = {code: number for number, code in enumerate(zones.codes)}
    groups: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for row, code in enumerate(told["departement_code"]):
        if code in place:
            groups[told["famille"][row], told["source"][row], told["sujet"][row]].append(row)
    begin, end = _moments("jour", found.times)
    spread = found.expected if found.variance is None else found.variance
    days = int(settings["jours"])
    rows = []
    for (family, source, subject), members in sorted(groups.items()):
        if len(members) < settings["departements_min"]:
            continue
        at = np.array([place[told["departement_code"][row]] for row in members])
        seen, mean, wide = (np.zeros((len(zones.codes), len(begin))) for _ in range(3))
        seen[at], mean[at], wide[at] = (
            v[members] for v in (np.nan_to_num(found.observed), found.expected, spread)
        )
        ready = (np.cumsum((mean > 0).any(0)) > days) & (mean.sum(0) >= settings["volume_min"])
        # What the whole country does is another question: here, only where.
        raised = np.maximum(seen.sum(0) / np.maximum(mean.sum(0), 1e-9), 1)
        wide = wide / np.maximum(mean, 1e-9)
        mean = mean * raised
        gate = ready & (_likely(zones, seen, mean, wide) >= settings["porte"])
        persons = bool(told["is_personnes"][members[0]])
        least = settings["plancher_personnes" if persons else "plancher"]
        for day in np.flatnonzero(gate):
            window = slice(max(day - days + 1, 0), day + 1)
            phi = np.clip(wide[:, window].mean(1), 1, 20)
            chance, where = space.scan(
                zones,
                seen[None, :, window],
                mean[None, :, window],
                phi[None],
                levels,
                settings["risque"],
            )
            if 0 not in where or where[0].observed < least:
                continue
            spot = where[0]
            if len(spot.codes) > settings["etendue_max"]:
                continue  # so wide is nowhere in particular
            inside = [place[code] for code in spot.codes]
            if seen[inside, day].sum() <= 2 * mean[inside, day].sum():
                continue  # it is over: the days before still weigh
            main = max(spot.codes, key=lambda code: seen[place[code], window][-spot.hours :].sum())
            if not known[members[int(np.flatnonzero(at == place[main])[0])], day]:
                continue
            law = phi[inside].max()
            bounds = counts.interval(
                np.array([spot.expected]), np.array([max(law, 1.0001) * spot.expected])
            )
            rows.append(
                {
                    "serie_id": f"{family}/{source}/{subject}/foyer/jour",
                    "grain": "jour",
                    "famille": family,
                    "source": source,
                    "sujet": subject,
                    "departement_code": main,
                    "departements_codes": ",".join(sorted(spot.codes)),
                    "periode_at": begin[day].item(),
                    "fin_at": end[day].item(),
                    "observe_count": int(spot.observed),
                    "attendu_count": spot.expected,
                    "attendu_bas_count": float(bounds[0][0]),
                    "attendu_haut_count": float(bounds[1][0]),
                    "surprise": float(min(-np.log10(max(chance[0], 1e-50)), counts.CEILING)),
                    "chance": float(min(1.0, chance[0])),
                    "forme": "foyer",
                    "is_alerte": True,
                    "series_suivies_count": len(members),
                    "methode_id": "espace",
                    "methode_version": space.VERSION,
                    "is_personnes": persons,
                    "origine": told["origine"][members[0]],
                }
            )
    return pa.Table.from_pylist(rows, schema=DETECTIONS)


def _likely(zones: space.Zones, seen: np.ndarray, mean: np.ndarray, phi: np.ndarray) -> np.ndarray:
    """Return the greatest log likelihood ratio of each day over zones, and one to seven days.

    A hundredth of what the search costs: it is asked only where this says that it may find.
    """
    best = np.zeros(seen.shape[1])
    spread = np.maximum(np.nanmedian(np.where(mean > 0, phi, np.nan)), 1) if mean.any() else 1.0
    for width in (1, 3, 7):
        sums = (np.cumsum(np.pad(v, [(0, 0), (width, 0)]), 1) for v in (seen, mean))
        count, law = (zones.sparse @ (total[:, width:] - total[:, :-width]) for total in sums)
        law = np.maximum(law, 1e-9)
        ratio = np.maximum(count / law, 1)
        np.maximum(best, (count * np.log(ratio) - law * (ratio - 1)).max(0) / spread, out=best)
    return best


# --- from alarms to signals -------------------------------------------------------------------

STATES = {
    "a_verifier": "À vérifier",
    "confirme": "Confirmé",
    "explique": "Expliqué",
    "clos": "Clos",
}
SEVERITIES = ("faible", "modérée", "élevée", "critique")
WHERE = {
    "reseaux": "sur les réseaux",
    "avis": "dans les avis",
    "signalements": "dans les signalements",
    "contacts": "à la brigade numérique",
    "audience": "sur les sites",
}
# What a family counts, and the ending of what agrees with it.
WHAT = {
    "reseaux": ("publications", "e"),
    "avis": ("avis", ""),
    "signalements": ("signalements", ""),
    "contacts": ("demandes", "e"),
    "audience": ("consultations", "e"),
}
NEGATIVE = "avis_negatifs"  # the tone of the time: whether negative opinions rise too
LIMITS = (
    "Une hausse dit qu'il se passe quelque chose, pas quoi : elle ne dit ni qu'une affirmation est "
    "vraie, ni qu'elle est fausse, ni qui est en cause."
)
ROUNDED = " Les comptes de personnes sont arrondis à la dizaine inférieure, et tus sous dix."

EVIDENCE = pa.struct(
    [
        ("rang", pa.int32()),
        ("nature", pa.string()),
        ("famille", pa.string()),
        ("serie_id", pa.string()),
        ("source", pa.string()),
        ("sujet", pa.string()),
        ("departement_code", pa.string()),
        ("periode_at", MOMENT),
        ("observe_count", pa.int64()),
        ("attendu_count", pa.float64()),
        ("attendu_bas_count", pa.float64()),
        ("attendu_haut_count", pa.float64()),
        ("attendu_label", pa.string()),
        ("intervalle_label", pa.string()),
        ("chance", pa.float64()),
        ("texte", pa.string()),
    ]
)
EVENT = pa.struct(
    [
        ("evenement", pa.string()),
        ("evenement_at", MOMENT),
        ("gravite", pa.int32()),
        ("etat", pa.string()),
        ("phrase", pa.string()),
    ]
)
SIGNALS = pa.schema(
    [
        ("signal_id", pa.string()),
        ("titre", pa.string()),
        ("question", pa.string()),
        ("famille", pa.string()),
        ("source", pa.string()),
        ("sujet", pa.string()),
        ("sujet_label", pa.string()),
        ("departement_code", pa.string()),
        ("departements_codes", pa.string()),
        ("serie_id", pa.string()),
        ("grain", pa.string()),
        ("methode_id", pa.string()),
        ("methode_version", pa.string()),
        ("etat", pa.string()),
        ("etat_label", pa.string()),
        ("explication", pa.string()),
        ("gravite", pa.int32()),
        ("gravite_label", pa.string()),
        ("ouvert_at", MOMENT),
        ("pic_at", MOMENT),
        ("maj_at", MOMENT),
        ("confirme_at", MOMENT),
        ("clos_at", MOMENT),
        ("observe_count", pa.int64()),
        ("attendu_count", pa.float64()),
        ("attendu_bas_count", pa.float64()),
        ("attendu_haut_count", pa.float64()),
        ("attendu_label", pa.string()),
        ("intervalle_label", pa.string()),
        ("rapport", pa.float64()),
        ("chance_fausse_alerte", pa.float64()),
        ("series_surveillees_count", pa.int64()),
        ("est_arrondi", pa.bool_()),
        ("constat", pa.string()),
        ("certitude", pa.string()),
        ("limites", pa.string()),
        ("conduite", pa.string()),
        ("origine", pa.string()),
        ("preuves", pa.list_(EVIDENCE)),
        ("evenements", pa.list_(EVENT)),
    ]
)


class Subject(NamedTuple):
    """A line of `taxo_sujets`, without its key."""

    label: str
    question: str
    conduct: str
    follows_holidays: bool
    opens: bool


@dataclass(frozen=True)
class Knowledge:
    """What explains, names and places signals.

    `subjects`: sujet -> what `taxo_sujets` says of it. `campaigns`: sujet, first and last day,
    départements (none: everywhere), words that name it.
    """

    methods: Methods
    subjects: Mapping[str, "Subject"] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    neighbours: Mapping[str, frozenset[str]] = field(default_factory=dict)
    campaigns: Sequence[tuple[str, date, date, frozenset[str], str]] = ()

    def label(self, subject: str) -> str:
        known = self.subjects.get(subject)
        return known.label if known else subject.replace("_", " ").capitalize()

    def place(self, codes: Iterable[str]) -> str:
        names = [self.labels.get(code, code) for code in sorted(codes)]
        if len(names) > 4:
            names = [*names[:3], f"{len(names) - 3} autres départements"]
        return ", ".join(names) if names else "France entière"


def neighbours_of(pairs: Iterable[tuple[str, str]]) -> Mapping[str, frozenset[str]]:
    """Return the neighbours of each département, from pairs told in either order."""
    near: dict[str, set[str]] = defaultdict(set)
    for one, other in pairs:
        near[one].add(other)
        near[other].add(one)
    return {code: frozenset(codes) for code, codes in near.items()}


@dataclass
class Signal:
    """One thing that is going on, as known so far."""

    first: dict[str, Any]
    ref: str
    places: set[str]
    peak: dict[str, Any]
    last: datetime
    events: list[dict[str, Any]] = field(default_factory=list)
    strongest: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    cluster: float | None = None  # chance of the surest cluster that placed it
    confirmed: datetime | None = None
    explanation: str | None = None
    closed: datetime | None = None
    severity: int = 0
    families: set[str] = field(default_factory=set)

    @property
    def opened(self) -> datetime:
        at: datetime = self.first["fin_at"]
        return at

    @property
    def state(self) -> str:
        if self.closed:
            return "clos"
        if self.explanation:
            return "explique"
        return "confirme" if self.confirmed else "a_verifier"


def follow(detected: Detected, knowledge: Knowledge) -> pa.Table:
    """Return one row per signal, with its evidence and its events, in the order of opening."""
    return _Follower(detected, knowledge).table()


class _Follower:
    def __init__(self, detected: Detected, knowledge: Knowledge) -> None:
        self.known = knowledge
        self.rules = knowledge.methods["signaux"]
        self.silence = timedelta(days=self.rules["silence_jours"])
        self.open: dict[str, list[Signal]] = defaultdict(list)
        self.closed: dict[str, list[Signal]] = defaultdict(list)
        self.all: list[Signal] = []
        self.refs: set[str] = set()
        self.negative: list[tuple[datetime, set[str]]] = []
        overview = detected.overview or Overview.of(detected.periods)
        self.now: datetime | None = overview.now
        self.faults = defaultdict(list)
        for fault in detected.faults.to_pylist():
            self.faults[fault["source"]].append(fault)
        self._count_series(overview)
        for row in self._told(detected.periods):
            self._read(row)
        for subject in list(self.open):
            self._close(subject, self.now)

    def _count_series(self, overview: Overview) -> None:
        """Remember which series speak of each subject, and what all départements showed."""
        self.series: dict[str, list[tuple[str, str, str | None, str]]] = defaultdict(list)
        for row in overview.series.to_pylist():
            self.series[row["sujet"]].append(
                (row["famille"], row["source"], row["departement_code"], row["grain"])
            )
        self.totals = {
            (row["source"], row["sujet"], row["periode_at"]): row["observe_count_sum"]
            for row in overview.totals.to_pylist()
        }
        self.placed = {
            (source, subject)
            for subject, told in self.series.items()
            for _, source, code, _ in told
            if code
        }

    def _told(self, periods: pa.Table) -> list[dict[str, Any]]:
        """Return the rises that alarm, and those that may confirm, as they could be known."""
        # What chance does not explain may still be too little to bother anybody.
        enough = pc.multiply(periods["attendu_count"], self.rules["rapport_min"])
        rises = pc.and_(
            pc.is_in(periods["forme"], pa.array(RISES)),
            pc.greater_equal(periods["observe_count"].cast(pa.float64()), enough),
        )
        least = -log10(self.rules["corroboration_chance"])
        told = pc.and_(
            rises, pc.or_(periods["is_alerte"], pc.greater_equal(periods["surprise"], least))
        )
        rows: list[dict[str, Any]] = periods.filter(told).to_pylist()
        return sorted(
            rows,
            key=lambda row: (row["fin_at"], -row["surprise"], row["serie_id"], row["grain"]),
        )

    def _read(self, row: dict[str, Any]) -> None:
        subject = row["sujet"]
        self._close(subject, row["fin_at"])
        codes = _codes(row)
        if subject == NEGATIVE:
            self.negative.append((row["fin_at"], codes))
        near = [signal for signal in self.open[subject] if self._near(codes, signal.places)]
        if not row["is_alerte"]:
            for signal in near:
                self._corroborate(signal, row, codes)
            return
        own = [signal for signal in near if row["famille"] in signal.families]
        if not near:
            alike = [s for s in self.open[subject] if row["famille"] == s.first["famille"]]
            if codes and len(alike) >= self.rules["foyers_max"]:
                own = near = alike
        if not near:
            told = self.known.subjects.get(subject)
            rare = row["chance"] <= self.rules[f"ouverture_chance_{row['grain']}"]
            rare &= not self._echoes(row, codes)
            if rare and (told is None or told.opens):
                self._open(row, codes)
            return
        signal = (own or near)[0]
        if row["famille"] != signal.first["famille"]:
            self._corroborate(signal, row, codes)
            signal.families.add(row["famille"])
            signal.last = max(signal.last, row["fin_at"])
            self._note(signal, row, "source_independante")
            return
        signal.last = max(signal.last, row["fin_at"])
        self._note(signal, row, "lieu" if row["departement_code"] else "serie")
        self._move(signal, row, codes)
        if self._height(row) > self._height(signal.peak):
            signal.peak = row
        self._explain(signal, row["fin_at"])
        self._weigh(signal, row["fin_at"])

    def _echoes(self, row: dict[str, Any], codes: set[str]) -> bool:
        """Tell whether sums over many periods still hold those of a signal that is closed."""
        since = row["fin_at"] - timedelta(days=self.rules["echo_jours"])
        return row["forme"] in SUMMED and any(
            signal.last >= since and self._near(codes, signal.places)
            for signal in self.closed[row["sujet"]]
        )

    def _near(self, codes: set[str], places: set[str]) -> bool:
        if not codes or not places or codes & places:
            return True
        return any(self.known.neighbours.get(code, frozenset()) & places for code in codes)

    @staticmethod
    def _height(row: dict[str, Any]) -> float:
        """Return how far above its bounds a count is: unlike a surprise, it has no ceiling."""
        gap: float = row["observe_count"] - row["attendu_count"]
        return gap / (row["attendu_haut_count"] - row["attendu_count"] + 1)

    def _open(self, row: dict[str, Any], codes: set[str]) -> None:
        place = row["departement_code"] if codes else "fr"
        local, hour = _local(row), "T%Hh" if row["grain"] == "heure" else ""
        ref = f"{row['sujet']}-{place}-{local:%Y%m%d{hour}}".lower()
        while ref in self.refs:
            ref += "-bis"
        self.refs.add(ref)
        signal = Signal(row, ref, codes, row, row["fin_at"], families={row["famille"]})
        signal.cluster = row["chance"] if row["forme"] == "foyer" else None
        signal.severity = self._severity(signal)
        self.open[row["sujet"]].append(signal)
        self.all.append(signal)
        self._note(signal, row, "lieu" if row["departement_code"] else "serie")
        self._tell(signal, "ouvert", row["fin_at"], self._title(signal) + ".")
        self._explain(signal, row["fin_at"])

    def _move(self, signal: Signal, row: dict[str, Any], codes: set[str]) -> None:
        """Place the signal where a cluster says, the surest so far, or where it has spread."""
        before = set(signal.places)
        if row["forme"] == "foyer":
            if signal.cluster is None or row["chance"] < signal.cluster:
                signal.cluster, signal.places = row["chance"], set(codes)
        elif codes and not before:
            key = row["source"], row["sujet"], row["periode_at"]
            share = row["observe_count"] / max(self.totals.get(key, 0), 1)
            if share >= self.rules["part_locale"]:
                signal.places = set(codes)
        elif codes and signal.cluster is None:
            signal.places = before | codes
            if len(signal.places) > self.rules["etendue_max"]:
                signal.places = set()
        if signal.places == before:
            return
        said = f"Le signal se situe : {self.known.place(signal.places)}."
        if before and signal.places > before:
            said = f"Le signal s'étend : {self.known.place(signal.places - before)}."
        self._tell(signal, "deplace", row["fin_at"], said)

    def _corroborate(self, signal: Signal, row: dict[str, Any], codes: set[str]) -> None:
        """Let an independent family confirm, if chance would not in all that was looked at."""
        if row["famille"] == signal.first["famille"] or signal.confirmed:
            return
        least = self.rules["corroboration_rapport"] * max(row["attendu_count"], 1)
        if row["observe_count"] < max(least, self.rules["corroboration_plancher"]):
            return
        before = signal.opened - timedelta(days=self.rules["corroboration_jours"])
        if row["fin_at"] < before or (codes and not signal.places):
            return
        placed = (row["source"], row["sujet"]) in self.placed
        if signal.places and not codes and placed:
            return  # this source says where: the country as a whole is another place
        days = (row["fin_at"] - before) / timedelta(days=1)
        looked = sum(
            days * (24 if grain == "heure" else 1)
            for family, source, code, grain in self.series[row["sujet"]]
            if family != signal.first["famille"]
            and (
                code in signal.places
                if signal.places and (source, row["sujet"]) in self.placed
                else code is None
            )
        )
        needed = log10(max(looked, 1) / self.rules["corroboration_chance"])
        if row["surprise"] < needed:
            return
        signal.confirmed = row["fin_at"]
        self._note(signal, row, "source_independante")
        said = f"Confirmé : hausse aussi {WHERE.get(row['famille'], row['famille'])}."
        self._tell(signal, "confirme", row["fin_at"], said)
        self._weigh(signal, row["fin_at"])

    def _explain(self, signal: Signal, at: datetime) -> None:
        if signal.explanation or signal.confirmed:
            return
        day = (at - timedelta(seconds=1)).replace(tzinfo=UTC).date()
        said = None
        for subject, first, last, codes, name in self.known.campaigns:
            covered = not codes or (signal.places and signal.places <= codes)
            if subject == signal.first["sujet"] and first <= day <= last and covered:
                said = f"Campagne en cours : {name}."
        near = timedelta(days=self.rules["source_jours"])
        for fault in self.faults[signal.first["source"]]:
            if day - near <= fault["jour"] <= day:
                said = "La source a eu un défaut ces jours-ci : ce compte peut en venir."
        told = self.known.subjects.get(signal.first["sujet"])
        if told and told.follows_holidays and not said:
            bank = counts.holidays(day.year, day.year)
            if np.datetime64(day, "D") in bank and signal.opened == at:
                said = "Jour férié."
        if said:
            signal.explanation = said
            self._tell(signal, "explique", at, said)

    def _weigh(self, signal: Signal, at: datetime) -> None:
        severity = self._severity(signal)
        if severity > signal.severity:
            signal.severity = severity
            said = f"Gravité {SEVERITIES[severity - 1]}."
            self._tell(signal, "aggrave", at, said)

    def _severity(self, signal: Signal) -> int:
        rules, peak = self.known.methods["gravite"], signal.peak
        ratio = (peak["observe_count"] + 3) / (peak["attendu_count"] + 3)
        wide = len(signal.places) if signal.places else inf
        fast = peak["fin_at"] - signal.opened <= timedelta(hours=rules["vitesse_heures"])
        points = sum(ratio >= rules[name] for name in ("rapport_1", "rapport_2"))
        points += sum(wide >= rules[name] for name in ("etendue_1", "etendue_2"))
        points += fast and ratio >= rules["rapport_1"]
        points += peak["chance"] <= rules["chance"]
        points += bool(signal.confirmed)
        since = signal.opened - timedelta(days=self.rules["corroboration_jours"])
        points += any(at >= since and self._near(c, signal.places) for at, c in self.negative)
        return 1 + sum(points >= rules[name] for name in ("moderee", "elevee", "critique"))

    def _close(self, subject: str, now: datetime | None) -> None:
        for signal in list(self.open[subject]):
            over = signal.last + self.silence
            if now is not None and over <= now:
                signal.closed = over
                days = round(self.silence / timedelta(days=1))
                self._tell(signal, "clos", over, f"Plus aucune alerte depuis {days} jours.")
                self.open[subject].remove(signal)
                self.closed[subject].append(signal)

    def _tell(self, signal: Signal, event: str, at: datetime, said: str) -> None:
        told = {"gravite": signal.severity, "etat": signal.state}
        for known in signal.events:
            if (known["evenement"], known["evenement_at"]) == (event, at):
                known.update(told, phrase=f"{known['phrase']} {said}")
                return
        told |= {"evenement": event, "evenement_at": at, "phrase": said}
        signal.events.append(told)

    def _note(self, signal: Signal, row: dict[str, Any], nature: str) -> None:
        key = nature, row["serie_id"]
        held = signal.strongest.get(key)
        if held is None or self._height(row) > self._height(held):
            signal.strongest[key] = row

    # --- what is said -------------------------------------------------------------------------

    def _title(self, signal: Signal) -> str:
        peak = signal.peak
        label, family = self.known.label(peak["sujet"]), WHERE.get(peak["famille"], "")
        seen, mean, *_ = _counted(peak)
        ratio = _ratio(peak)
        if ratio:
            told = f"{_said(ratio)} fois l'habitude {family}"
        elif seen is not None and mean is not None:
            what, _ = WHAT.get(peak["famille"], ("messages", ""))
            told = f"{_said(seen)} {what}, d'ordinaire {told_usual(peak)[0]}"
        else:
            told = f"au-dessus de l'habitude {family}"
        return f"{label} : {told} ({self.known.place(signal.places)})"

    def _finding(self, signal: Signal) -> str:
        peak = signal.peak
        seen, *_ = _counted(peak)
        when, where = _when(peak), self.known.place(signal.places)
        what, _ = WHAT.get(peak["famille"], ("messages", ""))
        if seen is None:
            return f"{when}, plus de {what} que d'habitude ({where})."
        if peak["forme"] == "foyer":
            when += " et les jours d'avant"
        about = "environ " if peak["is_personnes"] else ""
        usual, bounds = told_usual(peak)
        told = f"{usual} ({bounds})" if bounds else usual
        return f"{when}, {about}{_said(seen)} {what} ({where}) ; d'ordinaire {told}."

    def _sure(self, signal: Signal) -> str:
        peak = signal.peak
        chance = _chance(peak)
        gap = "un tel écart"
        if peak["forme"] in SUMMED:
            gap += f" sur plusieurs {'heures' if peak['grain'] == 'heure' else 'jours'}"
        rare = (
            f"{gap} se verrait par hasard, sur toutes les séries, {_odds(chance)}"
            if chance < 0.5
            else f"{gap} n'est pas rare sur autant de séries"
        )
        state = (
            "Une autre famille de sources, indépendante, monte aussi."
            if signal.confirmed
            else "Une seule famille de sources le dit."
        )
        return (
            f"Méthode {peak['methode_version']}, {_said(peak['series_suivies_count'])} séries "
            f"surveillées : {rare}. {state}"
        )

    def _evidence(self, signal: Signal) -> list[dict[str, Any]]:
        natures = ("serie", "lieu", "source_independante")
        rows = sorted(
            signal.strongest.items(),
            key=lambda item: (natures.index(item[0][0]), -self._height(item[1]), item[0][1]),
        )
        told: list[dict[str, Any]] = []
        for (nature, serie), row in rows[: int(self.rules["preuves_max"])]:
            seen, mean, low, high = _counted(row)
            usual, bounds = told_usual(row)
            told.append(
                {
                    "rang": len(told) + 1,
                    "nature": nature,
                    "famille": row["famille"],
                    "serie_id": serie,
                    "source": row["source"],
                    "sujet": row["sujet"],
                    "departement_code": row["departement_code"],
                    "periode_at": row["periode_at"],
                    "observe_count": seen,
                    "attendu_count": mean,
                    "attendu_bas_count": low,
                    "attendu_haut_count": high,
                    "attendu_label": usual,
                    "intervalle_label": bounds,
                    "chance": _chance(row),
                    "texte": f"{_when(row)}, {WHERE.get(row['famille'], row['famille'])}"
                    f" ({self.known.place(_codes(row))}).",
                }
            )
        if signal.explanation:
            told.append(
                {
                    "rang": len(told) + 1,
                    "nature": "explication",
                    "sujet": signal.first["sujet"],
                    "source": signal.first["source"],
                    "periode_at": signal.first["periode_at"],
                    "texte": signal.explanation,
                }
            )
        return told

    def _shown(self, signal: Signal) -> dict[str, Any]:
        """Return the period that shows the signal best: where it is, if that is known."""
        rows = [
            row
            for (nature, _), row in signal.strongest.items()
            if nature != "source_independante"
            and (bool(_codes(row) & signal.places) if signal.places else not _codes(row))
        ]
        return max(rows, key=self._height, default=signal.peak)

    def _main(self, signal: Signal) -> str | None:
        """Return the département of the signal that rises most."""
        told = [row for row in signal.strongest.values() if row["departement_code"]]
        told = [row for row in told if row["departement_code"] in signal.places]
        best = max(told, key=self._height, default=None)
        return best["departement_code"] if best else min(signal.places, default=None)

    def table(self) -> pa.Table:
        rows = []
        for signal in self.all:
            signal.peak = self._shown(signal)
            first, peak = signal.first, signal.peak
            told = self.known.subjects.get(first["sujet"])
            seen, mean, low, high = _counted(peak)
            usual, bounds = told_usual(peak)
            persons = peak["is_personnes"]
            explanation = signal.explanation
            if signal.closed and not explanation:
                explanation = signal.events[-1]["phrase"]
            codes = sorted(signal.places)
            rows.append(
                {
                    "signal_id": signal.ref,
                    "titre": self._title(signal),
                    "question": told.question
                    if told
                    else f"Que se passe-t-il : {self.known.label(first['sujet'])} ?",
                    "famille": first["famille"],
                    "source": first["source"],
                    "sujet": first["sujet"],
                    "sujet_label": self.known.label(first["sujet"]),
                    "departement_code": self._main(signal),
                    "departements_codes": ",".join(codes) or None,
                    "serie_id": peak["serie_id"],
                    "grain": peak["grain"],
                    "methode_id": peak["methode_id"],
                    "methode_version": peak["methode_version"],
                    "etat": signal.state,
                    "etat_label": STATES[signal.state],
                    "explication": explanation,
                    "gravite": signal.severity,
                    "gravite_label": SEVERITIES[signal.severity - 1],
                    "ouvert_at": signal.opened,
                    "pic_at": peak["fin_at"],
                    "maj_at": signal.last,
                    "confirme_at": signal.confirmed,
                    "clos_at": signal.closed,
                    "observe_count": seen,
                    "attendu_count": mean,
                    "attendu_bas_count": low,
                    "attendu_haut_count": high,
                    "attendu_label": usual,
                    "intervalle_label": bounds,
                    "rapport": _ratio(peak),
                    "chance_fausse_alerte": _chance(peak),
                    "series_surveillees_count": peak["series_suivies_count"],
                    "est_arrondi": persons,
                    "constat": self._finding(signal),
                    "certitude": self._sure(signal),
                    "limites": LIMITS + (ROUNDED if persons else ""),
                    "conduite": self._conduct(signal, told),
                    "origine": first["origine"],
                    "preuves": self._evidence(signal),
                    "evenements": signal.events,
                }
            )
        return pa.Table.from_pylist(rows, schema=SIGNALS)

    @staticmethod
    def _conduct(signal: Signal, told: Subject | None) -> str:
        if signal.state == "clos":
            return "Dire au triage si ce signal était vrai, faux ou un doublon."
        if signal.state == "explique":
            return "Vérifier l'explication ; sans suite si elle suffit."
        conduct = told.conduct if told else "Lire les messages, chercher ce qui les fait naître."
        return conduct if signal.confirmed else f"Vérifier d'abord auprès du terrain. {conduct}"


# --- counts as they may be told ---------------------------------------------------------------

TEN = 10  # taxo_seuils.arrondi_lignes: counts of persons are told by tens (ADR 12)


def _counted(row: Mapping[str, Any]) -> tuple[float | None, ...]:
    """Return observed, expected, low and high as they may be published."""
    names = ("observe_count", "attendu_count", "attendu_bas_count", "attendu_haut_count")
    values = [row[name] for name in names]
    if not row["is_personnes"]:
        return tuple(values)
    return tuple(told_by_tens(value) for value in values)


def told_by_tens(value: float) -> int | None:
    """Return a count of persons as it may be published: rounded down, untold under ten."""
    return int(value // TEN * TEN) or None


def told_usual(row: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return what was expected and its interval, in words: « 0,0 attendus » says nothing."""
    _, mean, low, high = _counted(row)
    _, ending = WHAT.get(row["famille"], ("messages", ""))
    if mean is None:
        return "moins de dix", None
    if mean < 0.1:
        return f"presque aucun{ending}", None
    about = "environ " if row["is_personnes"] else ""
    told = f"{about}{_said(mean)}" if mean >= 1 else f"moins d'un{ending}"
    if not high:
        return told, None
    return told, f"de {_said(low)} à {_said(high)}" if low else f"jusqu'à {_said(high)}"


def _ratio(row: Mapping[str, Any]) -> float | None:
    """Return how many times the usual was seen; of almost nothing, that would say nothing."""
    seen, mean, *_ = _counted(row)
    return None if seen is None or mean is None or mean < 1 else round(seen / mean, 1)


def _chance(row: Mapping[str, Any]) -> float:
    """Return the chance of a false alarm; for persons by powers of ten, or it would tell counts."""
    chance = float(min(max(row["chance"], 1e-12), 1.0))
    return float(10.0 ** np.ceil(log10(chance))) if row["is_personnes"] else chance


def _codes(row: Mapping[str, Any]) -> set[str]:
    return set((row["departements_codes"] or "").split(",")) - {""}


def _said(value: float) -> str:
    told = f"{value:,.1f}" if value < 10 and value != int(value) else f"{round(value):,}"
    return told.replace(",", "\N{NARROW NO-BREAK SPACE}").replace(".", ",")


def _odds(chance: float) -> str:
    if chance < 1e-9:
        return "moins d'une fois sur un milliard"
    return f"une fois sur {_said(round(1 / chance, -int(log10(1 / chance))))}"


MONTHS = [
    *("janvier", "février", "mars", "avril", "mai", "juin"),
    *("juillet", "août", "septembre", "octobre", "novembre", "décembre"),
]


def _local(row: Mapping[str, Any]) -> datetime:
    """Return the beginning of a period on the clocks of Paris."""
    at: datetime = counts.paris(np.array([row["periode_at"]], "datetime64[h]"))[0].astype(datetime)
    return at


def _when(row: Mapping[str, Any]) -> str:
    local = _local(row)
    day = f"Le {'1er' if local.day == 1 else local.day} {MONTHS[local.month - 1]} {local.year}"
    return day if row["grain"] == "jour" else f"{day} à {local.hour} h"
