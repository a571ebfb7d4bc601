select * from marts.fct_contacts__quotidiens
