select * from marts.ref_tables
