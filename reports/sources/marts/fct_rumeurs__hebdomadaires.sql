select * from marts.fct_rumeurs__hebdomadaires
