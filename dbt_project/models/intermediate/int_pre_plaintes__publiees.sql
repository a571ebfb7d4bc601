{{ publies(
    'int_pre_plaintes__mensuelles',
    cle=['source', 'menace', 'mois', 'type_personne', 'is_terminee'],
    mesures=['declarations_count'],
    avec=['duree_secondes', 'duree_mediane_secondes'],
) }}
