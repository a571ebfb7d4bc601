{{ avis_par(['source', 'mois', 'service_label', 'is_perimetre_gendarmerie']) }}
