select * from marts.ref_colonnes
