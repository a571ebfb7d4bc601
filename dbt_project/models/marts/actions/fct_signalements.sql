{{ publies(
    'int_signalements__quotidiens',
    cle=['source', 'menace', 'jour'],
    mesures=['signalements_count'],
    avec=['montant_eur'],
) }}
