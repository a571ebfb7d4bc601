select * from marts.ref_regions
