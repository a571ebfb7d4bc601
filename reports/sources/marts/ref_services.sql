select * from marts.ref_services
