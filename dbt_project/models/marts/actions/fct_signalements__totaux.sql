{{ publies(
    'int_signalements__totaux',
    cle=['source', 'menace', 'mois'],
    autres=['is_concordant'],
    mesures=['jours_count', 'departements_count', 'ages_count'],
) }}
