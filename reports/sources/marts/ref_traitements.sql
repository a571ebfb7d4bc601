select * from marts.ref_traitements
