select * from marts.ref_seuils
