{{ publies(
    'int_contacts__mensuels',
    cle=['source', 'mois', 'categorie', 'motif_parent', 'motif'],
    mesures=['contacts_count'],
) }}
