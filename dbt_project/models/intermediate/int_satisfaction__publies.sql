{{ publies(
    'int_satisfaction__trimestrielle',
    cle=['source', 'service_label', 'question', 'reponse', 'mois'],
    mesures=['avis_count'],
) }}
