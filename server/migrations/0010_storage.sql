-- What Lighthouse's API tells of an upload. `id` names it in lists; `shared_key` is 1 once a key node has been seen to
-- hold a share under the file's content id, so that it is not asked again.
ALTER TABLE uploads ADD COLUMN id TEXT NOT NULL DEFAULT '';
ALTER TABLE uploads ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE uploads ADD COLUMN mime TEXT NOT NULL DEFAULT 'application/octet-stream';
ALTER TABLE uploads ADD COLUMN encrypted INTEGER NOT NULL DEFAULT 1;
ALTER TABLE uploads ADD COLUMN shared_key INTEGER NOT NULL DEFAULT 0;
UPDATE uploads SET id = lower(hex(randomblob(16)));
CREATE UNIQUE INDEX uploads_by_id ON uploads (id);
CREATE INDEX uploads_by_cid ON uploads (cid);

-- Keys for programs, as SHA-256: whoever reads this table has no key.
CREATE TABLE api_keys (
    hash   BLOB    NOT NULL PRIMARY KEY,
    person BLOB    NOT NULL,
    at     INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX api_keys_by_person ON api_keys (person, at);
