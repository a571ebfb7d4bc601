select * from marts.fct_portees
