{{ publies(
    'int_signalements__services',
    cle=['service', 'grain', 'debut_le', 'menace', 'public', 'departement_code'],
    autres=['source'],
    mesures=['signalements_count'],
    avec=['consultations_count'],
) }}
