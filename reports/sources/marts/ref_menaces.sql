select * from marts.ref_menaces
