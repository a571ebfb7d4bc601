{{ avis_par(['source', 'mois', 'departement_code', 'is_perimetre_gendarmerie'], delais=true) }}
