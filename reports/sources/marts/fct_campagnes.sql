select * from marts.fct_campagnes
