{{ publies(
    'int_satisfaction__mensuelle',
    cle=['source', 'service_label', 'question', 'reponse', 'mois'],
    mesures=['avis_count'],
) }}
