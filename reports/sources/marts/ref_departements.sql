select * from marts.ref_departements
