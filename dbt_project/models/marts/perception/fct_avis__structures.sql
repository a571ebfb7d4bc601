{{ avis_par(['source', 'mois', 'structure_id', 'structure_label', 'is_perimetre_gendarmerie']) }}
