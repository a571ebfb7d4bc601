{{ publies('int_contacts__quotidiens', cle=['source', 'jour'], mesures=['contacts_count']) }}
