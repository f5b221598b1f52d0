INSERT INTO usr (active, email_ok, username, password, fullname, email)
  SELECT TRUE, current_date, name, '**secret', initcap(name), name || '@example.org'
  FROM unnest(ARRAY['alice', 'bob']) AS name;
INSERT INTO principal (type_id, user_no, displayname, default_privileges)
  SELECT 1, user_no, fullname, 0::BIT(24) FROM usr WHERE username IN ('alice', 'bob');
INSERT INTO collection (user_no, parent_container, dav_name, dav_etag, dav_displayname, is_calendar,
    is_addressbook, resourcetypes, created, modified)
  SELECT user_no, '/' || username || '/', '/' || username || '/addresses/', '-1', 'Addresses',
    FALSE, TRUE, '<DAV::collection/><urn:ietf:params:xml:ns:carddav:addressbook/>', now(), now()
  FROM usr WHERE username IN ('alice', 'bob');
