select * from marts.fct_campagnes__periodes
