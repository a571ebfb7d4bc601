{{ publies('int_contacts__horaires', cle=['source', 'mois', 'heure'], mesures=['contacts_count']) }}
