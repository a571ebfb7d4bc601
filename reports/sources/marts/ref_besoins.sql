select * from marts.ref_besoins
