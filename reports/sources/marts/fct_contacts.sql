select * from marts.fct_contacts
