select * from marts.ref_sources
