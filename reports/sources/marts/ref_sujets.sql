select * from marts.ref_sujets
