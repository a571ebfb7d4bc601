{{ avis_par(['source', 'jour', 'is_perimetre_gendarmerie']) }}
