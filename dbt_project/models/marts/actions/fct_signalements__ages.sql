{{ publies(
    'int_signalements__ages',
    cle=['source', 'menace', 'mois', 'tranche_age'],
    mesures=['signalements_count'],
) }}
