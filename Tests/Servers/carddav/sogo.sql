CREATE TABLE sogo_users AS
  SELECT name AS c_uid, name AS c_name, md5('secret') AS c_password, initcap(name) AS c_cn,
    name || '@example.org' AS mail
  FROM unnest(ARRAY['alice', 'bob']) AS name;
