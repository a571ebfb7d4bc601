{{ publies(
    'int_signalements__mensuels',
    cle=['source', 'menace', 'mois', 'departement_code'],
    mesures=['signalements_count'],
) }}
